//! The server over a real connection.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tanso_model_server::catalog::Catalog;
use tanso_model_server::select::Selector;
use tanso_model_server::serve::options::Options;
use tanso_model_server::serve::{self, Service};
use tanso_power::model::ModelDocument;
use tanso_runtime::serve::{Limits, listen};
use tanso_runtime::{Health, Shutdown};

/// One request over a connection of its own: status, head and body.
fn ask(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A refused body may be cut off before all of it is sent.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

/// Runs `test` against a server that ends with it.
fn with_server(test: impl FnOnce(SocketAddr) + Send + 'static) {
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
        let selector = Selector::learn(Catalog::bundled()).unwrap();
        let options = Options::default();
        let service = Service::start(selector, &options, shutdown.clone())
            .await
            .unwrap();
        let router = service.router(&health);
        health.ready("models");
        let server = tokio::spawn(tanso_runtime::serve::serve(
            listener,
            router,
            Limits::default(),
            shutdown.clone(),
        ));
        tokio::task::spawn_blocking(move || test(address))
            .await
            .unwrap();
        shutdown.begin();
        server.await.unwrap();
    });
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_model_is_selected_fetched_by_digest_and_predicts_the_same() {
    with_server(|address| {
        let machine = json!({"cpu_name": "AMD EPYC 7763", "mem_gb": 512.0});
        let (status, _, body) = ask(
            address,
            "POST",
            "/v1/select",
            json!({"machine": machine}).to_string().as_bytes(),
        );
        assert_eq!(status, 200, "{body}");
        let selected = object(&body);
        let digest = selected["digest"].as_str().unwrap();

        let (status, head, bytes) = ask(address, "GET", &format!("/v1/models/{digest}"), b"");
        assert_eq!(status, 200);
        assert!(head.contains("immutable"), "{head}");
        let document = ModelDocument::parse(bytes.as_bytes()).unwrap();
        assert_eq!(document.digest().unwrap(), digest);
        assert_eq!(
            serde_json::to_value(&document).unwrap(),
            selected["document"]
        );

        let question = json!({"machine": machine, "utilisation": [0, 0.35, 1], "level": 0.9});
        let (status, _, body) = ask(
            address,
            "POST",
            "/v1/predict",
            question.to_string().as_bytes(),
        );
        assert_eq!(status, 200, "{body}");
        let answer = object(&body);
        assert_eq!(answer["model"], selected["digest"]);
        assert_eq!(answer["domain"], "wallSpecpower");
        for (index, utilisation) in [0.0, 0.35, 1.0].into_iter().enumerate() {
            let power = document.power_at(utilisation.try_into().unwrap());
            assert_eq!(answer["watts"][index], power.value.as_watts_f64());
            assert!(answer["lo"][index].as_f64() <= answer["watts"][index].as_f64());
            assert!(answer["hi"][index].as_f64() >= answer["watts"][index].as_f64());
        }
        let (_, _, body) = ask(address, "GET", "/v1/models", b"");
        assert_eq!(object(&body)["models"].as_array().unwrap().len(), 1);

        // A reading of the machine itself draws the curve to it and narrows it.
        let told = answer["watts"][1].as_f64().unwrap() * 1.2;
        let question = json!({
            "machine": machine, "utilisation": [0, 0.35, 1], "readings": [{"utilisation": 0.35, "watts": told}],
        });
        let (status, _, body) = ask(
            address,
            "POST",
            "/v1/predict",
            question.to_string().as_bytes(),
        );
        assert_eq!(status, 200, "{body}");
        let corrected = object(&body);
        assert_ne!(corrected["model"], answer["model"]);
        let near = corrected["watts"][1].as_f64().unwrap() / told;
        assert!((0.9..1.01).contains(&near), "{corrected}");
        let width = |answer: &Value| {
            let of = |name: &str| answer[name][1].as_f64().unwrap();
            (of("hi") - of("lo")) / of("watts")
        };
        assert!(width(&corrected) < width(&answer), "{corrected} {answer}");
    });
}

#[test]
fn bad_input_is_refused_with_field_value_and_what_is_accepted() {
    with_server(|address| {
        let body = json!({"machine": {"tdp_w": "much", "colour": 1}, "utilisation": [0.5, 1.5], "level": 2, "readings": [{"watts": 5}]});
        let (status, head, body) = ask(address, "POST", "/v1/predict", body.to_string().as_bytes());
        assert_eq!(status, 422);
        assert!(head.contains("application/problem+json"), "{head}");
        let problem = object(&body);
        let fields: Vec<&str> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["field"].as_str().unwrap())
            .collect();
        assert_eq!(
            fields,
            [
                "machine.colour",
                "machine.tdp_w",
                "utilisation[1]",
                "readings[0]",
                "level"
            ]
        );
        assert_eq!(problem["errors"][2]["value"], "1.5");
        assert_eq!(problem["errors"][2]["accepted"], "a number from 0 to 1");

        assert_eq!(ask(address, "POST", "/v1/select", b"not json").0, 400);
        assert_eq!(ask(address, "POST", "/v1/select", b"[]").0, 422);
        assert_eq!(
            ask(
                address,
                "POST",
                "/v1/select",
                &vec![b' '; serve::BODY_LIMIT + 1]
            )
            .0,
            413
        );
        assert_eq!(ask(address, "GET", "/v1/predict", b"").0, 405);
        assert_eq!(ask(address, "GET", "/v1/models/sha256:00", b"").0, 404);
        assert_eq!(ask(address, "GET", "/elsewhere", b"").0, 404);
    });
}

#[test]
fn a_reading_or_a_year_that_cannot_be_is_refused_with_its_limits() {
    with_server(|address| {
        let machine = json!({"cpu_name": "Intel Xeon Platinum 8280", "sockets": 2, "mem_gb": 192});
        let refused = |body: Value| {
            let (status, _, text) =
                ask(address, "POST", "/v1/predict", body.to_string().as_bytes());
            assert_eq!(status, 422, "{text}");
            object(&text)["errors"][0].clone()
        };
        let reading = |watts: f64| json!([{"utilisation": 0.1, "watts": 120}, {"utilisation": 0.3, "watts": watts}]);
        let fault = refused(
            json!({"machine": machine, "utilisation": [0.5], "readings": reading(5_000.0)}),
        );
        assert_eq!(fault["field"], "readings[1].watts");
        assert_eq!(fault["value"], "5000.0");
        let accepted = fault["accepted"].as_str().unwrap();
        assert!(
            accepted.contains(" W at that load") && accepted.contains("design power"),
            "{accepted}"
        );
        let fault = refused(json!({"machine": {"year": 1}, "utilisation": [0.5]}));
        assert_eq!(
            fault,
            json!({"field": "machine.year", "value": "1", "accepted": "a whole year, from 2000 to 2100"})
        );
        // Strange, and not impossible: the bounds hold both.
        let ask = |readings: Value| {
            let body = json!({"machine": machine, "utilisation": [0.3], "readings": readings});
            post(address, "/v1/predict", &body)
        };
        let (without, strange) = (ask(json!([])), ask(reading(1_200.0)));
        let of = |answer: &Value, end: &str| answer[end][0].as_f64().unwrap();
        assert!(of(&strange, "lo") <= of(&without, "lo"));
        assert!(of(&strange, "hi") >= 1_200.0);
        let words = strange["explanation"].as_str().unwrap();
        assert!(words.contains("1200 W at 30 % load"), "{words}");
    });
}

#[test]
fn what_is_not_in_a_figure_is_in_the_words_of_its_boundary() {
    with_server(|address| {
        let boundary = |kind: &str| {
            let body = json!({"machine": {"instance_type": kind}, "utilisation": [0.5]});
            let answer = post(address, "/v1/predict", &body);
            answer["boundary"].as_str().unwrap().to_owned()
        };
        let without = "accelerators not included";
        assert!(boundary("p5.48xlarge").ends_with(without));
        assert!(boundary("p5.48xlarge").starts_with("the guest's share"));
        assert!(boundary("m7i.metal-24xl").starts_with("the whole machine"));
        assert!(!boundary("m7i.2xlarge").contains(without));
    });
}

#[test]
fn the_server_says_what_it_has_how_good_it_is_and_how_it_is() {
    with_server(|address| {
        for path in ["/healthz", "/readyz"] {
            assert_eq!(ask(address, "GET", path, b"").0, 200, "{path}");
        }
        let catalog = object(&ask(address, "GET", "/v1/catalog", b"").2);
        let refused = catalog["refused"].as_array().unwrap();
        assert!(
            refused
                .iter()
                .any(|row| row["row"] == "ccf-aws EPYC 5th Gen"),
            "{refused:?}"
        );
        let evaluation = object(&ask(address, "GET", "/v1/evaluation", b"").2);
        assert!(evaluation["tiers"].as_array().unwrap().len() >= 10);
        ask(address, "POST", "/v1/select", br#"{"machine": {}}"#);
        let (_, _, metrics) = ask(address, "GET", "/metrics", b"");
        assert!(
            metrics.contains(
                r#"tanso_model_server_answers_total{route="select",tier="any-machine"} 1"#
            ),
            "{metrics}"
        );
        // What alerts ask for is there before there is anything to tell, and
        // every family is in the docs.
        assert!(
            metrics.contains("tanso_model_server_drifting_models 0"),
            "{metrics}"
        );
        let families: Vec<&str> = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        assert!(families.len() > 4, "{families:?}");
        for family in families {
            assert!(
                include_str!("../../docs/models.md").contains(&format!("`{family}")),
                "{family} is not in docs/models.md"
            );
        }
        let openapi = object(&ask(address, "GET", "/openapi.json", b"").2);
        assert_eq!(openapi["openapi"], "3.1.0");
    });
}

fn post(address: SocketAddr, path: &str, body: &Value) -> Value {
    let (status, _, text) = ask(address, "POST", path, body.to_string().as_bytes());
    assert_eq!(status, 200, "{text}");
    object(&text)
}

#[test]
fn what_rapl_would_read_says_so_and_tells_its_components() {
    with_server(|address| {
        let machine = json!({"cpu_name": "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", "sockets": 2, "mem_gb": 256});
        let question = |measured: &str| json!({"machine": machine, "utilisation": [0, 0.5, 1], "measured": measured});
        let rapl = post(address, "/v1/predict", &question("rapl"));
        assert_eq!(rapl["domain"], "rapl");
        assert!(
            rapl["boundary"].as_str().unwrap().contains("RAPL"),
            "{rapl}"
        );
        for at in 0..3 {
            let of = |part: &str| rapl["components"][part]["watts"][at].as_f64().unwrap();
            let sum = of("package") + of("dram");
            assert!(
                (sum - rapl["watts"][at].as_f64().unwrap()).abs() < 0.02,
                "{rapl}"
            );
        }
        let wall = post(address, "/v1/predict", &question("wall"));
        assert_eq!(wall["domain"], "wallSpecpower");
        assert_ne!(wall["model"], rapl["model"]);
        assert!(wall["components"].is_null(), "{wall}");
        let mut with_boards = question("wall");
        with_boards["machine"]["gpus"] = json!(4);
        with_boards["machine"]["gpu_name"] = json!("NVIDIA H100 80GB HBM3");
        let boards = post(address, "/v1/predict", &with_boards);
        let gpu = boards["components"]["gpu"]["watts"][0].as_f64().unwrap();
        let more = boards["watts"][0].as_f64().unwrap() - wall["watts"][0].as_f64().unwrap();
        assert!(gpu > 50.0 && (more - gpu).abs() < 0.02, "{boards}");
        // A reading is of the plug.
        let mut reading = question("rapl");
        reading["readings"] = json!([{"utilisation": 0.3, "watts": 200}]);
        assert_eq!(
            ask(
                address,
                "POST",
                "/v1/predict",
                reading.to_string().as_bytes()
            )
            .0,
            422
        );
    });
}

#[test]
fn the_predecessors_clients_get_an_answer_for_every_source_before_any_sample() {
    with_server(|address| {
        for (source, components) in [
            (None, &["package", "dram"][..]),
            (Some("rapl-sysfs"), &["package", "dram"]),
            (Some("rapl-msr"), &["package", "dram"]),
            (Some("trained_power_model"), &["package", "dram"]),
            (Some("acpi"), &["platform"]),
            (Some("redfish"), &["platform"]),
            (Some("hmc"), &["platform"]),
        ] {
            for (spec, output) in [
                (
                    json!({"processor": "intel_xeon_platinum_8259cl", "cores": 96, "chips": 2, "memory": 377, "frequency": 3500}),
                    "AbsPower",
                ),
                (json!({"cores": -1}), "AbsPower"),
                (Value::Null, "DynPower"),
            ] {
                let question = json!({
                    "metrics": ["bpf_cpu_time_ms"], "output_type": output, "source": source, "weight": true, "machine_spec": spec,
                });
                let answer = post(address, "/model", &question);
                for component in components {
                    let all = &answer[component]["All_Weights"];
                    let feature = &all["Numerical_Variables"]["bpf_cpu_time_ms"];
                    assert!(
                        feature["weight"].as_f64().unwrap() > 0.0,
                        "{source:?} {answer}"
                    );
                    assert!(all["Bias_Weight"].as_f64().unwrap() >= 0.0, "{answer}");
                }
                assert!(
                    answer["boundary"].is_string() && answer["mae"].as_f64().unwrap() > 0.0,
                    "{answer}"
                );
            }
            let query = source.map_or_else(String::new, |source| format!("?source={source}"));
            let (status, _, text) = ask(address, "GET", &format!("/best-models{query}"), b"");
            assert_eq!(status, 200, "{text}");
            for output in ["AbsPower", "DynPower"] {
                let name = object(&text)[output]["BPFOnly"].clone();
                assert!(
                    name.as_str()
                        .is_some_and(|name| name.starts_with("SGDRegressorTrainer_")),
                    "{text}"
                );
            }
        }
        let (status, _, text) = ask(address, "GET", "/best-models?source=guess", b"");
        assert!(
            status == 400 && text.contains("rapl-sysfs"),
            "{status} {text}"
        );
    });
}

#[test]
fn who_has_the_model_is_told_so_and_nothing_more() {
    with_server(|address| {
        let path = "/v1/select?machine=%7B%22cpu_name%22%3A%22AMD%20EPYC%207763%22%7D";
        let get = |more: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head.to_lowercase(), body.to_owned())
        };
        let (head, body) = get("");
        let digest = object(&body)["digest"].as_str().unwrap().to_owned();
        assert!(head.contains(&format!("etag: \"{digest}\"")), "{head}");
        assert_eq!(
            post(
                address,
                "/v1/select",
                &json!({"machine": {"cpu_name": "AMD EPYC 7763"}})
            )["digest"],
            digest
        );
        let (head, body) = get(&format!("if-none-match: \"{digest}\"\r\n"));
        assert!(
            head.starts_with("http/1.1 304") && body.is_empty(),
            "{head} {body}"
        );
        let (head, _) = get("if-none-match: \"sha256:0\"\r\n");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(ask(address, "GET", "/v1/select?machine=x", b"").0, 400);
        assert_eq!(ask(address, "GET", "/v1/select", b"").0, 400);
    });
}
