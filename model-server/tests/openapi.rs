//! A fuzzing client of the `OpenAPI` world (schemathesis) against a real
//! server process that has learned something: no 5xx, and every answer as the
//! document says.
//!
//! `pip install schemathesis`; the program is found as `schemathesis` or by
//! `TANSO_SCHEMATHESIS`. Without it the test is skipped and says so, but not
//! where `CI=true`. `TANSO_FUZZ_EXAMPLES` sets the examples per operation.
#[path = "common/machines.rs"]
mod machines;
#[path = "common/server.rs"]
mod server;

use std::process::Command;

use machines::{Node, Sensor, xeon};
use server::{Server, now_s};

#[test]
fn a_fuzzing_client_finds_no_fault() {
    let program = std::env::var("TANSO_SCHEMATHESIS").unwrap_or("schemathesis".to_owned());
    if let Err(reason) = Command::new(&program).arg("--version").output() {
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "\"{program}\": {reason}; pip install schemathesis");
        eprintln!("skipped: \"{program}\" does not run here: {reason}; pip install schemathesis");
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
    let examples = std::env::var("TANSO_FUZZ_EXAMPLES").unwrap_or("30".to_owned());
    let output = Command::new(&program)
        .args(["run", "--checks", "all", "--no-color", "--seed", "1"])
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
