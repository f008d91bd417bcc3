//! Evaluating a power model: what a node without a meter does each interval.
//!
//! `cargo bench -p tanso-power` prints a JSON line a case. The budget is 2 µs.

use std::hint::black_box;
use std::time::Instant;

use tanso_power::activity::{Activity, Input};
use tanso_power::model::{
    CurvePoint, Domain, MachineFeatures, ModelDocument, ModelError, Part, Refined, SCHEMA, Term,
};
use tanso_power::{Estimate, Utilisation, Watts};

const ROUNDS: usize = 101;
const CALLS: u32 = 20_000;

fn main() {
    let document = document();
    let whole = Part::WHOLE;
    // A test machine's share: any within 0 and 1 will do.
    let share = Part::of(&document, 12, true);
    let stolen = Utilisation::of(
        std::time::Duration::from_millis(70),
        std::time::Duration::from_secs(1),
    );
    print("whole machine", &document, whole, Utilisation::IDLE);
    print("share of a host, time stolen", &document, share, stolen);
    print(
        "a share, stolen time, clock and counters",
        &refined(document.clone()),
        share,
        stolen,
    );
}

fn print(case: &str, document: &ModelDocument, part: Part, stolen: Utilisation) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| round_ns(document, part, stolen))
        .collect();
    rounds.sort_by(f64::total_cmp);
    let at = |share: usize| {
        rounds
            .get(ROUNDS * share / 100)
            .copied()
            .unwrap_or(f64::NAN)
    };
    println!(
        "{{\"bench\":\"model evaluation\",\"case\":\"{case}\",\"median_ns\":{:.1},\"p99_ns\":{:.1},\"budget_ns\":2000}}",
        at(50),
        at(99)
    );
}

/// Nanoseconds a call, over loads that jump about the curve.
fn round_ns(document: &ModelDocument, part: Part, stolen: Utilisation) -> f64 {
    let begin = Instant::now();
    for call in 0..CALLS {
        let load = f64::from(call.wrapping_mul(7_919) % 1_000) / 1_000.0;
        let load = Utilisation::try_new(load).unwrap_or(Utilisation::IDLE);
        let activity = Activity {
            frequency_mhz: Some(1_000.0 + f64::from(call % 2_000)),
            instructions_per_cycle: Some(1.3),
            misses_per_kilo_instruction: Some(2.0),
        };
        let power = document.power_given(
            black_box(part),
            black_box(load),
            black_box(stolen),
            black_box(&activity),
        );
        black_box(power);
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// The same document with all three terms.
fn refined(document: ModelDocument) -> ModelDocument {
    let term = |input: Input, reference: f64| Term {
        input,
        reference,
        exponent: 0.7,
        least: reference / 4.0,
        most: reference * 4.0,
    };
    let terms = vec![
        term(Input::FrequencyMhz, 2_000.0),
        term(Input::InstructionsPerCycle, 1.0),
        term(Input::MissesPerKiloInstruction, 3.0),
    ];
    ModelDocument {
        refined: Some(Refined {
            curve: document.curve.clone(),
            terms,
            error: document.error.clone(),
        }),
        ..document
    }
}

fn document() -> ModelDocument {
    let point = |tenth: u32| {
        let watts = |percent: u64| {
            let load = u64::from(tenth);
            Watts::from_microwatts((95 + 31 * load) * percent * 10_000)
        };
        CurvePoint {
            utilisation: Utilisation::try_new(f64::from(tenth) / 10.0).unwrap_or(Utilisation::FULL),
            power: Estimate {
                low: watts(78),
                value: watts(100),
                high: watts(127),
            },
        }
    };
    ModelDocument {
        schema: SCHEMA.to_owned(),
        name: "bench".to_owned(),
        domain: Domain::WallSpecpower,
        machine: MachineFeatures {
            threads: Some(96),
            ..MachineFeatures::default()
        },
        curve: (0..=10).map(point).collect(),
        refined: None,
        error: ModelError {
            level: 0.9,
            mape_percent: 12.0,
            method: "none".to_owned(),
        },
        training_digest: String::new(),
        origin: String::new(),
        explanation: String::new(),
    }
}
