//! How long it takes to learn the bundled tables and to answer `/v1/predict`
//! over a real connection, each machine another one.
//!
//! `cargo xtask bench model` prints a JSON line a case. What an agent does with
//! the answer is `tanso-power`'s bench of the same name.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot run has to say so"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::{Value, json};
use tanso_model_server::catalog::Catalog;
use tanso_model_server::features::Machine;
use tanso_model_server::select::Selector;
use tanso_model_server::serve::Service;
use tanso_model_server::serve::options::Options;
use tanso_runtime::serve::{Limits, listen, serve};
use tanso_runtime::{Health, Shutdown};

/// Questions asked, each of another machine.
const QUESTIONS: u32 = 5_000;
/// Questions before the clock counts.
const WARM_UP: u32 = 200;

fn main() {
    let begin = Instant::now();
    let selector = Selector::learn(Catalog::bundled()).unwrap();
    let train_s = begin.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({"bench": "train", "machines": selector.catalog().machines.len(), "seconds": train_s, "budget_s": 60})
    );
    let mut times: Vec<f64> = (0..QUESTIONS)
        .map(|number| {
            let machine = machine(number);
            let begin = Instant::now();
            selector.select(&machine).unwrap();
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    print("select in memory", &mut times);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Health::new(&["models"]);
        let shutdown = Shutdown::new();
        let service = Service::start(selector, &Options::default(), shutdown.clone())
            .await
            .unwrap();
        let router = service.router(&health);
        let server = tokio::spawn(serve(listener, router, Limits::default(), shutdown.clone()));
        for (case, kinds) in [
            ("predict over HTTP", u32::MAX),
            ("predict over HTTP, of 64 kinds asked before", 64),
        ] {
            let mut times = tokio::task::spawn_blocking(move || over_http(address, kinds))
                .await
                .unwrap();
            print(case, &mut times);
        }
        shutdown.begin();
        server.await.unwrap();
    });
}

fn print(case: &str, times_us: &mut [f64]) {
    times_us.sort_by(f64::total_cmp);
    let at = |share: usize| times_us[(times_us.len() - 1) * share / 1_000];
    println!(
        "{}",
        json!({
            "bench": "predict", "case": case, "questions": times_us.len(), "median_us": at(500), "p90_us": at(900),
            "p99_us": at(990), "p999_us": at(999), "budget_us": 1_000,
        })
    );
}

/// Machines as clusters have them: by CPU name, by instance type, with memory
/// or a whole description, known families and unknown ones.
fn features(number: u32) -> Value {
    const NAMES: [&str; 8] = [
        "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz",
        "AMD EPYC 7763 64-Core Processor",
        "AMD EPYC 9754",
        "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
        "Intel(R) Xeon(R) CPU E5-2670 v3 @ 2.30GHz",
        "Intel(R) Xeon(R) 6980P",
        "Neoverse-N1",
        "Some CPU of tomorrow",
    ];
    const TYPES: [&str; 4] = ["m5.2xlarge", "c6a.48xlarge", "m7i.4xlarge", "m7g.metal"];
    let at = usize::try_from(number).unwrap();
    let (name, instance_type) = (NAMES[at % NAMES.len()], TYPES[at % TYPES.len()]);
    let sockets = 1 + number / 8 % 2;
    let memory = 16 + number;
    match number / 16 % 4 {
        0 => json!({"cpu_name": name}),
        1 => json!({"instance_type": instance_type, "mem_gb": memory}),
        2 => json!({"cpu_name": name, "sockets": sockets, "mem_gb": memory}),
        _ => json!({
            "cpu_name": name, "sockets": sockets, "cores": 64 * sockets, "threads": 128 * sockets, "base_mhz": 2_450,
            "tdp_w": 280, "mem_gb": memory, "l3_mb_per_socket": 256, "dimms": 16, "psu_count": 2, "psu_rating_w": 1_600,
            "system_vendor": "HPE", "hw_available": "2021-06",
        }),
    }
}

fn machine(number: u32) -> Machine {
    Machine::from_json(features(number).as_object().unwrap()).unwrap()
}

/// Microseconds from the first byte sent to the last one read; of so many
/// kinds of machines.
fn over_http(address: SocketAddr, kinds: u32) -> Vec<f64> {
    let loads: Vec<f64> = (0..=10).map(|tenth| f64::from(tenth) / 10.0).collect();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut times = Vec::new();
    for number in 0..QUESTIONS + WARM_UP {
        // Other machines than were asked about before.
        let question = json!({"machine": features(number % kinds + QUESTIONS), "utilisation": loads, "level": 0.9});
        let body = question.to_string();
        let request = format!(
            "POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let begin = Instant::now();
        stream.write_all(request.as_bytes()).unwrap();
        read_answer(&mut stream);
        if number >= WARM_UP {
            times.push(begin.elapsed().as_secs_f64() * 1e6);
        }
    }
    times
}

fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    let mut part = [0_u8; 16_384];
    loop {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "the server closed the connection");
        answer.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse::<usize>().ok())
            .unwrap();
        if body.len() >= length {
            return;
        }
    }
}
