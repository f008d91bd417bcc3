use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use tanso_power::model::{Domain, ModelDocument};

use super::super::tests::document;
use super::*;

#[test]
fn a_clock_is_read_out_of_the_name() {
    assert_eq!(
        nominal_mhz("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"),
        Some(2_500.0)
    );
    assert_eq!(nominal_mhz("AMD EPYC 7763"), None);
}

#[test]
fn pauses_differ_and_stay_within_minutes() {
    let chances: Vec<f64> = (0..100).map(|_| chance()).collect();
    assert!(chances.iter().all(|chance| chance.abs() <= 1.0));
    assert!(
        chances.iter().any(|chance| *chance > 0.2) && chances.iter().any(|chance| *chance < -0.2)
    );
}

/// A server that gives these answers, one a connection, and returns the heads
/// of the requests.
fn server(answers: Vec<String>) -> (ModelServer, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut part = [0; 4_096];
                let length = stream.read(&mut part).unwrap();
                request.extend_from_slice(&part[..length]);
            }
            heads.push(String::from_utf8_lossy(&request).into_owned());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        heads
    });
    let server = ModelServer {
        url,
        files: ClientFiles::default(),
    };
    (server, thread)
}

fn answer(idle: u64, full: u64) -> String {
    answer_of(&document(idle, full, MachineFeatures::default()))
}

fn answer_of(document: &ModelDocument) -> String {
    let digest = document.digest().unwrap();
    let body = serde_json::json!({ "digest": digest, "document": document }).to_string();
    format!(
        "HTTP/1.1 200 OK\r\netag: \"{digest}\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "current_thread")]
async fn a_model_that_is_still_the_best_is_not_sent_again_and_a_better_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let source = ModelSource::open(folder.path());
    let none = "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned();
    let (server, thread) = server(vec![answer(100, 200), none, answer(90, 210)]);
    let machine = MachineFeatures {
        cpu_name: Some("Xeon & co".to_owned()),
        ..MachineFeatures::default()
    };
    renew(&source, &server, &machine).await.unwrap();
    let first = source.current().unwrap();
    renew(&source, &server, &machine).await.unwrap();
    assert!(Arc::ptr_eq(&first, &source.current().unwrap()));
    renew(&source, &server, &machine).await.unwrap();
    let second = source.current().unwrap();
    assert_ne!(first.digest, second.digest);
    let heads = thread.join().unwrap();
    assert!(
        heads[0].starts_with("GET /v1/select?machine=%7B%22cpu%5Fname%22%3A%22Xeon%20%26%20co"),
        "{}",
        heads[0]
    );
    assert!(!heads[0].contains("if-none-match"), "{}", heads[0]);
    assert!(!heads[0].contains("measured="), "{}", heads[0]);
    for head in &heads[1..] {
        let named = format!("if-none-match: \"{}\"", first.digest);
        assert!(head.contains(&named), "{head}");
        assert!(head.contains("&measured=wall "), "{head}");
    }
}

/// A node with a curve of the plug was given RAPL's as soon as nodes of its
/// type had taught that: its counters went on, and meant something else.
#[tokio::test(flavor = "current_thread")]
async fn a_model_of_another_boundary_is_neither_asked_for_nor_taken() {
    let folder = tempfile::tempdir().unwrap();
    let source = ModelSource::open(folder.path());
    let of = |domain: Domain, idle: u64| {
        let document = document(idle, 2 * idle, MachineFeatures::default());
        ModelDocument { domain, ..document }
    };
    let rapl = of(Domain::Rapl, 40);
    let answers = vec![
        answer_of(&of(Domain::WallSpecpower, 100)),
        answer_of(&rapl),
        answer_of(&of(Domain::Wall, 90)),
    ];
    let (server, thread) = server(answers);
    let machine = MachineFeatures::default();
    renew(&source, &server, &machine).await.unwrap();
    let had = source.current().unwrap();
    let fault = renew(&source, &server, &machine).await.unwrap_err();
    assert!(fault.to_string().contains("same"), "{fault}");
    assert!(Arc::ptr_eq(&had, &source.current().unwrap()));
    // Also after a restart, from the kept file.
    let again = ModelSource::open(folder.path());
    let selected = Selected {
        digest: rapl.digest().unwrap(),
        document: rapl,
    };
    assert!(again.accept(selected).is_err());
    // What nodes of its type measure at the plug is of the same boundary.
    renew(&source, &server, &machine).await.unwrap();
    assert_eq!(source.current().unwrap().document.domain, Domain::Wall);
    let heads = thread.join().unwrap();
    assert!(heads[1].contains("&measured=wall "), "{}", heads[1]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_of_before_is_asked_as_it_was_before() {
    let folder = tempfile::tempdir().unwrap();
    let source = ModelSource::open(folder.path());
    let old = "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (server, thread) = server(vec![old.to_owned(), answer(100, 200)]);
    renew(&source, &server, &MachineFeatures::default())
        .await
        .unwrap();
    assert!(source.current().is_some());
    assert!(thread.join().unwrap()[1].starts_with("POST /v1/select "));
}

#[test]
fn boards_that_the_driver_shows_are_counted_and_named() {
    let root = tempfile::tempdir().unwrap();
    let roots = HostRoots::under(root.path());
    assert_eq!(accelerators(&roots), None);
    for slot in ["0000:01:00.0", "0000:41:00.0"] {
        let folder = roots.proc.join("driver/nvidia/gpus").join(slot);
        fs::create_dir_all(&folder).unwrap();
        let text = "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 42\n";
        fs::write(folder.join("information"), text).unwrap();
    }
    let found = accelerators(&roots);
    assert_eq!(found, Some((2, "NVIDIA A100-SXM4-40GB".to_owned())));
    let machine = with_accelerators(&MachineFeatures::default(), found);
    assert_eq!(
        (machine.gpus, machine.gpu_name.as_deref()),
        (Some(2), Some("NVIDIA A100-SXM4-40GB"))
    );
}
