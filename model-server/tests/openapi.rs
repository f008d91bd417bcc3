//! A fuzzing client of the `OpenAPI` world (schemathesis) against a real
//! server process that has learned something: no 5xx, and every answer as the
//! document says.
//!
//! The program is found by `TANSO_SCHEMATHESIS` or as `schemathesis`. Without
//! it the test is skipped and says so; a program that was named must run.
//! `TANSO_FUZZ_EXAMPLES` sets the examples per operation.
#[path = "common/machines.rs"]
mod machines;
#[path = "common/server.rs"]
mod server;

use std::process::Command;

use machines::{Node, Sensor, xeon};
use server::{Server, now_s};

#[test]
fn a_fuzzing_client_finds_no_fault() {
    let named = std::env::var("TANSO_SCHEMATHESIS").ok();
    let program = named.as_deref().unwrap_or("schemathesis");
    if let Err(reason) = Command::new(program).arg("--version").output() {
        assert!(named.is_none(), "\"{program}\": {reason}");
        eprintln!("skipped 1: \"{program}\" does not run here: {reason}; pip install schemathesis");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    for number in 0..5 {
        let mut node = Node::new(format!("node-{number}"), xeon(), Sensor::Honest, number + 1);
        assert_eq!(
            server.post("/v1/samples", &node.batch(now_s(), 60, 1.0)).0,
            200
        );
    }
    server.train();
    let examples = std::env::var("TANSO_FUZZ_EXAMPLES").unwrap_or("15".to_owned());
    let output = Command::new(program)
        .args(["run", "--checks", "all", "--no-color", "--seed", "1"])
        // No schema says which types were learned or what time it is: what
        // is refused for that is refused with 422, and rightly.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--warnings", "off", "--continue-on-failure"])
        .args(["--max-examples", &examples])
        .arg(format!("http://{}/openapi.json", server.address))
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "{program} found faults:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // It is alive, and what it had learned serves.
    assert_eq!(
        server.node_types()[0]["versions"].as_array().unwrap().len(),
        1
    );
}
