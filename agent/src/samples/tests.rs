use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use tanso_power::Estimate;
use tanso_power::model::MachineFeatures;
use tanso_power::sample::SampleBatch;

use super::send::{SendFault, Target, flush};
use super::*;
use crate::attribution::ZoneEnergy;

const SECOND: Duration = Duration::from_secs(1);

fn reading(class: ZoneClass, watts: u64, provenance: Provenance) -> BenchReading {
    let energy = ZoneEnergy {
        energy: Estimate::exact(Joules::from_microjoules(watts * 1_000_000)),
        idle: Estimate::default(),
    };
    let zone = Zone {
        class,
        path: String::new(),
    };
    BenchReading {
        meter: "rapl",
        zones: vec![(zone, energy)],
        sockets: std::collections::BTreeMap::new(),
        provenance,
        model: None,
    }
}

/// Runs a sampler over seconds, each with a reading.
fn sampled(seconds: i64, reading: impl Fn(i64) -> Option<BenchReading>) -> Vec<Sample> {
    let waiting = Arc::new(Waiting::default());
    let mut sampler = Sampler::new("node-1", Arc::clone(&waiting));
    for second in 1..=seconds {
        let utilisation = Utilisation::try_new(0.25).unwrap();
        sampler.note(
            second * 1_000,
            SECOND,
            utilisation,
            reading(second).as_ref(),
            &Seen::default(),
        );
    }
    waiting.oldest(usize::MAX).1
}

#[test]
fn a_minute_gives_one_sample_of_a_short_window() {
    let samples = sampled(600, |_| {
        Some(reading(ZoneClass::Package, 90, Provenance::Measured))
    });
    assert!((9..=11).contains(&samples.len()), "{}", samples.len());
    for sample in &samples {
        assert!((sample.seconds - 10.0).abs() < 1e-9);
        assert!((sample.utilisation - 0.25).abs() < 1e-6);
        assert!((sample.watts["package"] - 90.0).abs() < 1e-6);
    }
    let seconds: std::collections::BTreeSet<i64> =
        samples.iter().map(|sample| sample.at % 60).collect();
    assert!(seconds.len() > 4, "always the same seconds: {seconds:?}");
}

#[test]
fn a_sample_tells_the_clock_of_its_work_and_the_rates_of_its_events() {
    let waiting = Arc::new(Waiting::default());
    let mut sampler = Sampler::new("node-1", Arc::clone(&waiting));
    let measured = reading(ZoneClass::Package, 90, Provenance::Measured);
    let mut asked = 0;
    for second in 1..=120 {
        // Even seconds work three times as much as odd ones, and faster.
        let (load, mhz) = if second % 2 == 0 {
            (0.6, 3_000.0)
        } else {
            (0.2, 1_000.0)
        };
        let wanted = sampler.wants_activity(SECOND);
        asked += u32::from(wanted);
        let seen = Seen {
            frequency_mhz: Some(mhz),
            counts: crate::activity::Counts([Some(4e9), Some(6e9), None]),
        };
        let seen = if wanted { seen } else { Seen::default() };
        let load = Utilisation::try_new(load).unwrap();
        sampler.note(second * 1_000, SECOND, load, Some(&measured), &seen);
    }
    let taken = waiting.oldest(usize::MAX).1;
    assert!(!taken.is_empty() && asked < 40, "{asked}");
    for sample in &taken {
        // Nine or ten seconds were seen: within a second of the mean by work.
        let mhz = sample.frequency_mhz.unwrap();
        assert!((mhz - 2_500.0).abs() < 130.0, "{mhz}");
        let events: Vec<(&str, f64)> = sample
            .events
            .iter()
            .map(|(name, rate)| (name.as_str(), *rate))
            .collect();
        assert_eq!(events, [("cycles", 4e9), ("instructions", 6e9)]);
    }
    assert!(sampler.wants_activity(Duration::from_secs(10)));
}

#[test]
fn a_sensor_of_the_whole_machine_is_sampled_for_longer() {
    let samples = sampled(600, |_| {
        Some(reading(ZoneClass::Platform, 90, Provenance::Measured))
    });
    assert!(samples.len() >= 8 && samples.iter().all(|sample| sample.seconds >= 50.0));
}

#[test]
fn what_was_not_measured_is_never_sampled() {
    for provenance in [Provenance::Modelled, Provenance::Simulated] {
        assert!(sampled(600, |_| Some(reading(ZoneClass::Package, 90, provenance))).is_empty());
    }
    // A reading that failed within the window takes the window with it.
    let holed = sampled(600, |second| {
        (second % 5 != 0).then(|| reading(ZoneClass::Package, 90, Provenance::Measured))
    });
    assert!(holed.is_empty());
}

#[test]
fn what_waits_is_bounded_and_of_one_meter() {
    let waiting = Waiting::default();
    for at in 0..4_000 {
        waiting.push(
            "rapl",
            Sample {
                at,
                ..Sample::default()
            },
        );
    }
    assert_eq!(waiting.oldest(usize::MAX).1.len(), WAITING_MAX);
    assert_eq!(waiting.dropped(), 4_000 - 2_880);
    waiting.push("hwmon", Sample::default());
    let (meter, samples) = waiting.oldest(usize::MAX);
    assert_eq!((meter.as_str(), samples.len()), ("hwmon", 1));
}

/// A server that gives these answers, one a connection, and returns what it
/// was sent.
fn server(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<SampleBatch>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut batches = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            let batch = loop {
                let mut part = [0; 4_096];
                let length = stream.read(&mut part).unwrap();
                text.extend_from_slice(&part[..length]);
                let body = String::from_utf8_lossy(&text);
                let body = body.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                if let Ok(batch) = serde_json::from_str(body) {
                    break batch;
                }
            };
            batches.push(batch);
            let answer =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
        batches
    });
    (address, thread)
}

#[tokio::test(flavor = "current_thread")]
async fn batches_are_bounded_refused_ones_dropped_and_the_rest_waits() {
    let waiting = Waiting::default();
    for at in 1..=200 {
        waiting.push(
            "rapl",
            Sample {
                at,
                ..Sample::default()
            },
        );
    }
    let (address, thread) = server(vec![
        "200 OK",
        "422 Unprocessable Entity",
        "503 Service Unavailable",
        "200 OK",
    ]);
    let target = Target {
        server: address,
        node: "node-1".to_owned(),
        machine: MachineFeatures::default(),
        files: tanso_runtime::client::ClientFiles::default(),
    };
    let fault = flush(&target, &waiting).await.unwrap_err();
    assert!(matches!(fault, SendFault::Later { .. }), "{fault}");
    assert_eq!(waiting.oldest(usize::MAX).1.len(), 8);
    assert_eq!(flush(&target, &waiting).await.unwrap(), 8);
    assert!(waiting.oldest(1).1.is_empty());
    let batches = thread.join().unwrap();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.samples.len()).collect();
    assert_eq!(sizes, [96, 96, 8, 8]);
    assert!(
        batches
            .iter()
            .all(|batch| batch.node == "node-1" && batch.meter == "rapl")
    );
}
