//! The command line as a person meets it: mistakes, lists, exports.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

#[path = "common/machines.rs"]
mod machines;
#[path = "common/server.rs"]
mod server;

use std::process::{Command, Output};

use machines::{Node, Sensor, xeon};
use serde_json::{Value, json};
use server::{Server, now_s};
use tanso_power::model::ModelDocument;

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tanso-model-server"))
        .args(words)
        .env("RUST_BACKTRACE", "1")
        .env_remove("TANSO_STORE")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn printed(words: &[&str]) -> String {
    let output = run(words);
    assert!(
        output.status.success(),
        "{words:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[test]
fn a_mistake_is_one_clear_line_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing").display().to_string();
    let empty = folder.path().join("empty").display().to_string();
    std::fs::write(&empty, "").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases: [(&[&str], &str); 10] = [
        (&["predict", "--machine", "{"], "--machine"),
        (
            &["predict", "--machine", r#"{"tdp_w": "much", "colour": 1}"#],
            "machine.colour",
        ),
        (&["explain", "--cpuinfo", &missing], "nothing"),
        (&["explain", "--cpuinfo", &empty], "no processor"),
        (
            &[
                "predict",
                "--cpu-name",
                "AMD EPYC 7763",
                "--reading",
                "0.3=50000",
            ],
            "design power",
        ),
        (
            &["predict", "--measured", "rapl", "--reading", "0.3=200"],
            "--reading",
        ),
        (&["export", "no such model"], "--list"),
        (&["export", "x", "--store", &missing], "models.db"),
        (
            &["export", "x", "--server", "http://127.0.0.1:9"],
            "127.0.0.1:9",
        ),
        (&["serve", "--listen", &taken], &taken),
    ];
    for (words, named) in cases {
        let output = run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 1, "{words:?}: {said}");
        assert!(
            lines[0].starts_with("error: ") && lines[0].contains(named),
            "{words:?}: {said}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_bar_is_drawn_on_terminals_alone() {
    let output = run(&["train"]);
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("trained on "));
}

#[test]
fn bundled_models_are_listed_and_exported_by_name_and_digest() {
    let list = printed(&["export", "--list"]);
    let line = |start: &str| -> Vec<String> {
        let line = list.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start}:\n{list}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    let instance = line("instance  m5.2xlarge ");
    for name in ["m5.2xlarge", instance[3].as_str()] {
        let document = ModelDocument::parse(printed(&["export", name]).trim().as_bytes()).unwrap();
        assert_eq!(document.digest().unwrap(), instance[3], "{name}");
        assert_eq!(
            document.machine.instance_type.as_deref(),
            Some("m5.2xlarge")
        );
    }
    let cpu = printed(&["export", "AMD EPYC 7763 64-Core Processor"]);
    let digest = ModelDocument::parse(cpu.trim().as_bytes())
        .unwrap()
        .digest()
        .unwrap();
    assert!(
        list.lines()
            .any(|line| line.starts_with("cpu ") && line.ends_with(&digest)),
        "{digest}"
    );
}

#[test]
fn what_a_server_learned_is_exported_by_its_address_and_from_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    for number in 0..5 {
        let mut node = Node::new(format!("node-{number}"), xeon(), Sensor::Honest, number + 1);
        let (status, answer) = server.post("/v1/samples", &node.batch(now_s(), 60, 1.0));
        assert_eq!(status, 200, "{answer}");
    }
    server.train();
    let node_type = server.node_types()[0].clone();
    let of = |field: &str| node_type[field].as_str().unwrap().to_owned();
    let (name, digest) = (of("name"), of("inService"));
    assert!(digest.starts_with("sha256:"), "{node_type}");
    let wanted: Value = server.get(&format!("/v1/models/{digest}"));
    let learned = wanted["name"].as_str().unwrap().to_owned();
    let url = format!("http://{}", server.address);
    let store = folder.path().display().to_string();
    let everywhere = |from: [&str; 2]| {
        for asked in [&name, &digest, &learned] {
            let document: Value =
                serde_json::from_str(&printed(&["export", asked, from[0], from[1]])).unwrap();
            assert_eq!(document, wanted, "{asked} of {from:?}");
        }
        let list = printed(&["export", "--list", from[0], from[1]]);
        assert!(
            list.contains(&format!("nodetype  {name}")) && list.contains(&learned),
            "{list}"
        );
        assert!(list.contains("instance  m5.large"), "{list}");
    };
    everywhere(["--server", &url]);
    // While the server uses it, and after it was killed.
    everywhere(["--store", &store]);
    server.kill();
    everywhere(["--store", &store]);
    assert_eq!(json!(digest), node_type["inService"]);
}
