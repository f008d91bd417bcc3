//! Advice to remove what is idle and its refusals, as the engine really says
//! them.

use jiff::Timestamp;
use tanso_carbon::recommend::idle::{IdleRequest, remove_idle};
use tanso_carbon::recommend::idle_share::{
    Asks, DAY_MINUTES, IdleSharing, NodeGives, NodeIdle, Standing,
};
use tanso_carbon::recommend::rightsize::CpuSample;
use tanso_carbon::recommend::{Target, Terms};

use super::*;

/// What is said of a workload seen for so many hours.
fn said(hours: u32, cores: f64, sharing: IdleSharing, grams: f64, kind: &str) -> Vec<String> {
    let target = Target {
        namespace: "shop".into(),
        kind: kind.into(),
        name: "sleeper".into(),
    };
    let at = |hour: u32| Timestamp::from_second(i64::from(hour) * 3_600).unwrap();
    let samples: Vec<_> = (0..hours)
        .map(|hour| CpuSample {
            at: at(hour),
            seconds: 3_600,
            cores,
        })
        .collect();
    let energy = Joules::from_microjoules(36_000_000_000);
    let advice = remove_idle(&IdleRequest {
        standing: Standing {
            target: &target,
            asks: Asks {
                millicores: 500,
                bytes: 0,
            },
            pod_minutes_per_day: DAY_MINUTES,
            node: NodeGives {
                idle: NodeIdle {
                    idle_per_day: energy,
                    allocatable_millicores: 16_000,
                },
                allocatable_bytes: 64 << 30,
                sharing,
            },
            intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(grams).unwrap()),
            pue: Pue::ONE,
            terms: Terms {
                now: at(24 * 30),
                min_saving_percent: 0.0,
            },
        },
        samples: &samples,
        past: &[],
        own_per_day: if hours == 30 { Joules::ZERO } else { energy },
    });
    match advice {
        Ok(advice) => vec![advice.basis, advice.change],
        Err(refused) => vec![refused.message],
    }
}

/// On Korean pages it was English, and marked as such.
#[test]
fn advice_to_remove_has_a_wording_with_its_figures() {
    let none = RuleNames::new();
    let mut texts = Vec::new();
    for sharing in [
        IdleSharing::LargerShare,
        IdleSharing::CpuRequests,
        IdleSharing::CpuTime,
    ] {
        texts.extend(said(24, 0.001, sharing, 400.0, "Deployment"));
        texts.extend(said(24 * 8, 0.001, sharing, 400.0, "DaemonSet"));
    }
    texts.extend(said(24, 0.4, IdleSharing::LargerShare, 400.0, "Job"));
    texts.extend(said(5, 0.001, IdleSharing::LargerShare, 400.0, "Job"));
    texts.extend(said(24, 0.001, IdleSharing::LargerShare, 0.0, "Job"));
    texts.extend(said(30, 0.001, IdleSharing::CpuTime, 400.0, "Job"));
    texts.retain(|text| !text.starts_with("kubectl "));
    for text in &texts {
        let korean = known(text, &none).unwrap_or_else(|| panic!("no wording: {text}"));
        assert!(korean.chars().any(particle::is_hangul), "{korean}");
        assert!(
            !korean.contains(" the ") && !korean.contains("idle") && !korean.contains('{'),
            "{korean}"
        );
    }
    let parts = || texts.iter().flat_map(|text| text.split("; "));
    for phrase in IDLE.iter().filter(|one| one.code != "IdleSharing") {
        let is_said = parts().any(|part| matched(phrase.english, part).is_some());
        assert!(is_said, "said by nobody: {}", phrase.english);
    }
    let zombie = known(&texts[1], &none).unwrap();
    assert!(
        zombie.starts_with("장기 유휴") || zombie.starts_with("유휴"),
        "{zombie}"
    );
}
