//! A real server process is killed while it trains, again and again: nothing
//! that was promoted or acknowledged is lost.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

#[path = "common/machines.rs"]
mod machines;
#[path = "common/server.rs"]
mod server;

use std::collections::BTreeMap;

use machines::{Kind, Node, Sensor, xeon};
use serde_json::{Value, json};
use server::{Server, now_s, until};

/// Node types, with memory of 2, 4, 8 … GiB: the tables are far from each, so
/// that each learns something better.
const TYPES: u64 = 5;
const NODES: u64 = 4;

fn kind(number: u64) -> Kind {
    let mut kind = xeon();
    kind.machine["mem_gb"] = json!(1_u64 << (number + 1));
    kind
}

/// The digests promoted by type.
fn promoted(server: &Server) -> BTreeMap<String, Vec<String>> {
    let digests = |one: &serde_json::Value| {
        let versions = one["versions"].as_array().unwrap().iter();
        versions
            .map(|version| version["digest"].as_str().unwrap().to_owned())
            .collect()
    };
    server
        .node_types()
        .iter()
        .map(|one| (one["name"].as_str().unwrap().to_owned(), digests(one)))
        .collect()
}

/// What a server says of itself after a kill: every sample that was
/// acknowledged is there, what serves is whole and the newest promoted, and the
/// job that was killed says so. Returns whether the job was under way.
fn is_whole(server: &Server, job: &Value) -> bool {
    for one in server.node_types() {
        assert_eq!(one["samples"], 60 * NODES, "{one}");
        let newest = one["versions"].as_array().unwrap().first();
        let newest = newest.map_or(json!("prior"), |version| version["digest"].clone());
        assert_eq!(one["inService"], newest, "{one}");
        let (status, selected) = server.post("/v1/select", &json!({"machine": one["machine"]}));
        assert_eq!(status, 200, "{selected}");
        assert_eq!(selected["digest"] == newest, newest != "prior", "{one}");
        if let Some(digest) = newest.as_str().filter(|digest| *digest != "prior") {
            let document = server.get(&format!("/v1/models/{digest}"));
            assert_eq!(selected["document"], document);
        }
    }
    let (_, job) = server.ask("GET", &format!("/v1/jobs/{}", job["id"]), None);
    assert!(
        job["state"] == "interrupted" || job["state"] == "done",
        "{job}"
    );
    assert!(!job["endedAt"].is_null(), "{job}");
    job["state"] == "interrupted"
}

#[test]
fn a_kill_during_training_loses_nothing_promoted() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    let begin = now_s() - 3_600;
    for number in 0..TYPES * NODES {
        let mut node = Node::new(
            format!("node-{number}"),
            kind(number / NODES),
            Sensor::Honest,
            number + 1,
        );
        let (status, answer) = server.post("/v1/samples", &node.batch(begin + 3_600, 60, 1.0));
        assert_eq!((status, &answer["accepted"]), (200, &json!(60)), "{answer}");
    }
    // Before anything is promoted: nothing is, and nothing else is lost.
    let (status, job) = server.post("/v1/train", &json!({}));
    assert_eq!(status, 202, "{job}");
    server.kill();
    let (mut kills, mut under_way) = (1, 0);
    server = Server::start(directory.path(), &[]);
    under_way += u32::from(is_whole(&server, &job));
    loop {
        let before: usize = promoted(&server).values().map(Vec::len).sum();
        if before == usize::try_from(TYPES).unwrap() {
            break;
        }
        let (status, job) = server.post("/v1/train", &json!({}));
        assert_eq!(status, 202, "{job}");
        let path = format!("/v1/jobs/{}", job["id"]);
        // As soon as one more is promoted, whatever it does then.
        let seen = until(|| {
            let ended = server.get(&path)["state"] == "done";
            let seen = promoted(&server);
            let more = seen.values().map(Vec::len).sum::<usize>() > before;
            assert!(more || !ended, "nothing was promoted: {seen:?}");
            more.then_some(seen)
        });
        server.kill();
        kills += 1;
        server = Server::start(directory.path(), &[]);
        let after = promoted(&server);
        for (name, digests) in seen {
            for digest in digests {
                assert!(
                    after[&name].contains(&digest),
                    "{digest} of {name} was lost"
                );
            }
        }
        under_way += u32::from(is_whole(&server, &job));
    }
    println!(
        "{}",
        json!({"test": "kill -9 while training", "kills": kills, "in_the_midst": under_way, "promoted": TYPES, "lost": 0})
    );
    assert!(under_way > 0, "no kill was in time");
    // What was interrupted is only put off: a training ends, and what serves is
    // the newest.
    let job = server.train();
    assert_eq!(job["state"], "done", "{job}");
    assert!(!is_whole(&server, &job));
}
