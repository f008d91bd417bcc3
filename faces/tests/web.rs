//! The web face over HTTP requests: who may come in, what stands on each page,
//! and that its figures are the status' own.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tanso_crds::carbon_policy::status::{AdviceOutcome, Figures, Verdict, WorkloadResult};
use tanso_faces::report::figure;
use tanso_faces::view::LeftOut;
use tanso_faces::view::given::Given;
use tanso_faces::web::Web;
use tanso_runtime::serve::Peer;
use tower::ServiceExt as _;

#[path = "support/sample.rs"]
mod sample;

fn router() -> Router {
    Web::given(Arc::new(sample::facts()), Arc::new(sample::Agents)).router()
}

struct Asked<'a> {
    path: &'a str,
    peer: &'a str,
    host: &'a str,
}

async fn ask(asked: Asked<'_>) -> (StatusCode, header::HeaderMap, String) {
    ask_of(router(), asked).await
}

async fn ask_of(router: Router, asked: Asked<'_>) -> (StatusCode, header::HeaderMap, String) {
    let mut request = Request::get(asked.path)
        .header(header::HOST, asked.host)
        .body(Body::empty())
        .unwrap();
    let address: SocketAddr = asked.peer.parse().unwrap();
    request.extensions_mut().insert(Peer {
        address,
        certified: false,
    });
    let response = router.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8_lossy(&bytes).into_owned(),
    )
}

async fn at(facts: &Given, path: &str) -> (StatusCode, String) {
    let router = Web::given(Arc::new(facts.clone()), Arc::new(sample::Agents)).router();
    let (peer, host) = ("127.0.0.1:5000", "localhost");
    let (status, _, text) = ask_of(router, Asked { path, peer, host }).await;
    (status, text)
}

async fn page(path: &str) -> String {
    let (status, _, text) = ask(Asked {
        path,
        peer: "127.0.0.1:5000",
        host: "localhost:8080",
    })
    .await;
    assert_eq!(status, StatusCode::OK, "{path}: {text}");
    text
}

#[tokio::test]
async fn who_has_no_token_and_is_not_on_this_machine_sees_nothing() {
    for (peer, host, status) in [
        ("10.0.0.7:5000", "localhost:8080", StatusCode::UNAUTHORIZED),
        // Whom a mesh's sidecar passes on.
        ("127.0.0.6:5000", "localhost:8080", StatusCode::UNAUTHORIZED),
        (
            "127.0.0.1:5000",
            "evil.example",
            StatusCode::MISDIRECTED_REQUEST,
        ),
    ] {
        for path in [
            "/",
            "/policies",
            "/nodes",
            "/regions",
            "/study",
            "/workloads/shop/Deployment/api",
        ] {
            let (found, headers, text) = ask(Asked { path, peer, host }).await;
            assert_eq!(found, status, "{path}");
            assert!(
                !text.contains("everything") && !text.contains("kWh"),
                "{text}"
            );
            let challenge = headers.get(header::WWW_AUTHENTICATE).is_some();
            assert_eq!(challenge, status == StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn every_answer_forbids_what_is_foreign() {
    for path in ["/", "/nodes", "/assets/style.css", "/nothing-here"] {
        let (_, headers, text) = ask(Asked {
            path,
            peer: "[::1]:5000",
            host: "[::1]:8080",
        })
        .await;
        if path == "/nothing-here" {
            continue;
        }
        let policy = headers
            .get(header::CONTENT_SECURITY_POLICY)
            .unwrap()
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{path}");
        assert_eq!(
            headers.get(header::X_CONTENT_TYPE_OPTIONS).unwrap(),
            "nosniff"
        );
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{path} loads from elsewhere"
        );
        assert!(
            !text.contains(" style=\"") && !text.contains("<style"),
            "{path} has inline style"
        );
    }
}

#[tokio::test]
async fn the_overview_says_what_the_status_says() {
    let text = page("/?lang=en").await;
    let policy = sample::everything();
    let totals = policy.status.totals.unwrap();
    for figure in [
        figure::energy(totals.energy_microjoules.value),
        figure::mass(totals.emissions_milligrams.value),
        figure::mass(totals.emissions_milligrams.low),
        figure::kwh(policy.status.workloads[0].figures.energy_microjoules.value),
        "313.7 W".to_owned(),
        // The fourth has no agent.
        "2 of 4 nodes".to_owned(),
        figure::energy(totals.energy_microjoules.low),
        figure::energy(totals.energy_microjoules.high),
        "class=\"mod\"".to_owned(),
        "class=\"miss\"".to_owned(),
        "line fc".to_owned(),
    ] {
        assert!(text.contains(&figure), "{figure} is missing:\n{text}");
    }
    assert!(text.contains("<title>Overview – tanso</title>"));
}

/// Pages showed the others, and not a word of it.
#[tokio::test]
async fn what_cannot_be_read_is_named_and_its_words_are_no_markup() {
    let mut facts = sample::facts();
    facts.unreadable = vec![LeftOut {
        kind: "CarbonPolicy".to_owned(),
        namespace: Some("shop".to_owned()),
        name: "newer".to_owned(),
        field: Some("spec.intensity.source".to_owned()),
        reason: "unknown variant `<script>alert(1)</script>`".to_owned(),
    }];
    let pages_of = |facts: &Given| {
        let router = Web::given(Arc::new(facts.clone()), Arc::new(sample::Agents)).router();
        async move {
            let mut pages = Vec::new();
            for path in ["/?lang=en", "/?lang=ko", "/policies?lang=en"] {
                let (peer, host) = ("127.0.0.1:5000", "localhost");
                let asked = Asked { path, peer, host };
                let (status, _, text) = ask_of(router.clone(), asked).await;
                assert_eq!(status, StatusCode::OK, "{path}");
                pages.push(text);
            }
            pages
        }
    };
    for text in pages_of(&facts).await {
        let (_, notice) = text
            .split_once("<div class=\"empty\" role=\"status\">")
            .unwrap();
        let (notice, rest) = notice.split_once("</div>").unwrap();
        assert!(notice.contains("<li>CarbonPolicy shop/newer: "), "{notice}");
        assert!(
            notice.contains("spec.intensity.source: unknown variant `&lt;script&gt;"),
            "{notice}"
        );
        assert!(rest.contains("everything"), "the others are shown");
        let is_korean = text.contains("<html lang=\"ko\">");
        assert_eq!(notice.contains("읽을 수 없어"), is_korean, "{notice}");
        assert_eq!(notice.contains("<span lang=\"en\">"), is_korean, "{notice}");
    }
    // Where it is the only one, it is not told that there is none.
    facts.policies.clear();
    for text in pages_of(&facts).await {
        assert!(text.contains("CarbonPolicy shop/newer"), "{text}");
        assert!(!text.contains("kubectl apply -f"), "{text}");
    }
    facts.unreadable.clear();
    for text in pages_of(&facts).await {
        assert!(!text.contains("role=\"status\">"), "{text}");
        assert!(text.contains("kubectl apply -f"), "{text}");
    }
}

/// Pages of nodes and studies showed the others, and the page of the policy itself
/// said that there was none.
#[tokio::test]
async fn each_page_names_what_of_its_own_cannot_be_read() {
    let newer = |kind: &str, namespace: Option<&str>| LeftOut {
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: "newer".to_owned(),
        field: Some("spec.later".to_owned()),
        reason: "made up".to_owned(),
    };
    let mut facts = sample::facts();
    facts.unreadable = vec![
        newer("PowerMonitor", None),
        newer("EnergyStudy", Some("lab")),
        newer("CarbonPolicy", Some("shop")),
    ];
    facts.policies.iter_mut().for_each(|policy| {
        policy.status.workloads_not_listed = 9_750;
    });
    for (path, title) in [
        ("/nodes", "PowerMonitor newer"),
        ("/study", "EnergyStudy lab/newer"),
        ("/workloads/shop/Deployment/api", "CarbonPolicy shop/newer"),
    ] {
        let (status, text) = at(&facts, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(text.contains(&format!("<li>{title}: ")), "{path}: {text}");
        let others = ["PowerMonitor", "EnergyStudy", "CarbonPolicy"];
        let named = |kind: &&&str| text.contains(&format!("<li>{kind} "));
        assert_eq!(others.iter().filter(named).count(), 1, "{path}");
    }
    let (status, text) = at(&facts, "/policies/shop/newer").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        text.contains("cannot read it: spec.later: made up"),
        "{text}"
    );
    // What the status leaves to pages that nobody can read is told too.
    for path in ["/?lang=en", "/policies/shop/korea?lang=en"] {
        let (_, text) = at(&facts, path).await;
        assert!(text.contains("that are not shown: 9750. "), "{path}");
    }
    // Where the only one cannot be read, it is not told that there is none.
    facts.monitors.clear();
    let (_, text) = at(&facts, "/nodes?lang=en").await;
    assert!(!text.contains("No PowerMonitor"), "{text}");
    facts.unreadable.clear();
    let (_, text) = at(&facts, "/nodes?lang=en").await;
    assert!(text.contains("No PowerMonitor"), "{text}");
}

/// A workload of which nothing is known had 0 kWh, 0 g and 0 % measured.
#[tokio::test]
async fn of_a_workload_nothing_is_known_of_stands_no_zero() {
    let mut facts = sample::facts();
    let known = sample::everything().status.workloads[0].clone();
    let empty = WorkloadResult {
        name: "unseen".to_owned(),
        verdict: Verdict::Unknown,
        figures: Figures::default(),
        recommendations: Vec::new(),
        ..known.clone()
    };
    // Too little is known for a verdict, but its energy is.
    let open = WorkloadResult {
        name: "unjudged".to_owned(),
        verdict: Verdict::Unknown,
        ..known.clone()
    };
    let uid = sample::everything().uid;
    facts
        .workloads
        .insert(uid, Arc::new(vec![known, open, empty]));
    let router = Web::given(Arc::new(facts), Arc::new(sample::Agents)).router();
    let asked = Asked {
        path: "/?lang=en",
        peer: "127.0.0.1:5000",
        host: "localhost",
    };
    let (_, _, text) = ask_of(router, asked).await;
    let row = |name: &str| {
        let (_, rest) = text.split_once(&format!("Deployment/{name}</a>")).unwrap();
        rest.split_once("</tr>").unwrap().0.to_owned()
    };
    let unseen = row("unseen");
    assert_eq!(
        unseen.matches("<td class=\"n\">-</td>").count(),
        4,
        "{unseen}"
    );
    assert!(!unseen.contains('0'), "{unseen}");
    let unjudged = row("unjudged");
    assert!(!unjudged.contains("<td class=\"n\">-</td>"), "{unjudged}");
}

/// A Korean page said an English sentence as if it were Korean: screen readers
/// spelt it out.
#[tokio::test]
async fn a_fault_on_a_korean_page_is_marked_as_the_english_that_it_is() {
    let (status, _, text) = ask(Asked {
        path: "/workloads/shop/Deployment/gone?lang=ko",
        peer: "127.0.0.1:5000",
        host: "localhost",
    })
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, rest) = text.split_once("<p role=\"status\" lang=\"en\">").unwrap();
    assert!(rest.contains("was not found"), "{rest}");
    assert!(text.contains("<html lang=\"ko\">"), "{text}");
}

#[tokio::test]
async fn what_the_cluster_saves_stands_before_what_only_moves_to_others() {
    for (language, marked, shift, fit) in [
        ("en", "attributed", "ShiftInTime", "Rightsize"),
        ("ko", "배분량", "실행 시간 이동", "자원 요청량 적정화"),
    ] {
        let text = page(&format!("/?lang={language}")).await;
        let (_, advice) = text.split_once("<ul class=\"advice\">").unwrap();
        let (first, second) = advice.split_once(fit).unwrap();
        assert!(first.contains(shift) && !first.contains(marked), "{first}");
        assert!(second.contains(marked), "{second}");
    }
}

#[tokio::test]
async fn a_workload_has_its_formula_in_both_languages() {
    let english = page("/workloads/shop/Deployment/api?lang=en").await;
    for word in [
        "How it comes about",
        "415.130 g/kWh",
        "7.611 gCO2eq",
        "Rightsize",
        "kubectl -n shop patch",
    ] {
        assert!(english.contains(word), "{word} is missing");
    }
    let korean = page("/workloads/shop/Deployment/api?lang=ko").await;
    assert!(korean.contains("<html lang=\"ko\">") && korean.contains("산정 내역"));
    assert!(korean.contains("7.611 gCO₂-eq"), "{korean}");
    let policy = page("/policies/shop/korea?lang=ko").await;
    assert!(
        policy.contains("종합 판정: ") && !policy.contains("<span lang=\"en\">Ready"),
        "{policy}"
    );
    let english = page("/policies/shop/korea?lang=en").await;
    assert!(!english.contains("종합 판정"), "{english}");
}

/// The site's grid stood beside figures of energy that was used elsewhere.
#[tokio::test]
async fn pages_name_the_grid_of_where_the_energy_was_used() {
    let mut facts = sample::facts();
    let place = |region: &str, zone: &str| {
        let place = serde_json::json!({
            "region": region, "energyMicrojoules": 36_000_000_000_i64, "pue": "1.07, made up",
            "intensity": {"zone": zone, "method": "Average", "boundary": "LifeCycle", "source": format!("grid of {zone}")},
        });
        serde_json::from_value(place).unwrap()
    };
    let wide = facts.policies.len() - 1;
    let workload = "/workloads/shop/Deployment/api?lang=en";
    facts.policies[wide].status.places = vec![place("eu-north-1", "SE")];
    for path in ["/?lang=en", workload] {
        let (_, text) = at(&facts, path).await;
        assert!(text.contains("grid of SE"), "{path}: {text}");
    }
    let sites = |text: &str| text.contains("Electricity Maps, typical hours");
    let (_, text) = at(&facts, "/?lang=en").await;
    let (_, sources) = text.split_once("<h2>Sources</h2>").unwrap();
    assert!(!sites(sources), "{sources}");
    facts.policies[wide].status.places.push(place("site", "KR"));
    let (_, text) = at(&facts, "/?lang=en").await;
    assert!(
        text.contains("<li>eu-north-1: 0.010000 kWh, PUE 1.07, made up, SE, "),
        "{text}"
    );
    let (_, text) = at(&facts, workload).await;
    assert!(text.contains(" g/kWh, of each place of use"), "{text}");
}

/// Another policy was shown in place of one that is gone.
#[tokio::test]
async fn a_policy_that_is_not_there_is_not_another_one() {
    let facts = sample::facts();
    let (status, text) = at(&facts, "/?lang=en&policy=shop/gone").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{text}");
    for known in ["/?policy=shop%2Fkorea", "/?policy=", "/"] {
        let (status, _) = at(&facts, known).await;
        assert_eq!(status, StatusCode::OK, "{known}");
    }
}

/// Titles and sources of Korean rules were English, and one went by the id of
/// its preset and had no title at all.
#[tokio::test]
async fn korean_rules_are_named_and_cited_in_korean_and_others_marked_as_english() {
    let korean = page("/cluster-policies/everything?lang=ko").await;
    for word in [
        "그린 데이터센터 PUE 1.4 인용 목표",
        "2012년 민간 그린 데이터센터 인증의 배점",
        "<td>비율</td>",
        "평균 배출계수, 전과정",
        "1.32 (연간 PUE, 인증서에 기재된 값",
    ] {
        assert!(korean.contains(word), "{word} is missing: {korean}");
    }
    assert!(!korean.contains("Quoted target"), "{korean}");
    let english = page("/cluster-policies/everything?lang=en").await;
    assert!(english.contains("Quoted target of PUE 1.4"), "{english}");
    assert!(english.contains("1.32 (annual PUE, from a certificate"));
}

#[tokio::test]
async fn every_page_of_the_menu_is_there_and_says_what_is_missing() {
    assert!(
        page("/policies?lang=en")
            .await
            .contains("/policies/shop/young")
    );
    assert!(page("/policies/shop/young?lang=en").await.contains("Rules"));
    assert!(
        page("/cluster-policies/everything?lang=en")
            .await
            .contains("kr-ndc-2030")
    );
    let nodes = page("/nodes?lang=en").await;
    for word in [
        "212.4 W",
        "<td>rapl</td>",
        "<td>model<br><small>cannot be read: redfish</small></td>",
        "not reached",
        "connection refused",
        "no agent",
        "healthy",
        "8 s old",
    ] {
        assert!(nodes.contains(word), "{word} is missing");
    }
    let regions = page("/regions?lang=en").await;
    assert!(regions.contains("ap-northeast-2") && regions.contains("aria-sort=\"ascending\""));
    let study = page("/study?lang=en").await;
    assert!(study.contains("/study/gitops.svg"), "{study}");
    // One that runs on the cluster, from its own status; and the published one.
    for word in [
        "What does pruning cost?",
        "lab/prune",
        "7 / 24",
        "1 disturbed",
        "trial 8, block 3, <span lang=\"en\">prune</span>: measuring",
        "expected to end 2026-10-05 18:40Z",
        "9.8 to 33.0 J",
        "holds 0",
        "kubectl tanso study report prune -n lab",
        "docs/studies/gitops/index.md",
    ] {
        assert!(study.contains(word), "{word} is missing: {study}");
    }
    assert!(page("/study/gitops.svg").await.starts_with("<svg"));
}

/// Who changed the language lost the policy or the page that was chosen, and an
/// English page gave the command of a Korean report.
#[tokio::test]
async fn another_language_shows_the_same_page() {
    let text = page("/?policy=shop%2Fkorea&lang=en").await;
    assert!(
        text.contains("href=\"/?policy=shop%2Fkorea&amp;lang=ko\""),
        "{text}"
    );
    let text = page("/regions").await;
    assert!(text.contains("href=\"/regions?lang=ko\""), "{text}");
    for (language, other) in [("en", "ko"), ("ko", "en")] {
        let text = page(&format!("/policies/shop/korea?lang={language}")).await;
        let command = format!("kubectl tanso report korea -n shop --language {language} ");
        assert!(text.contains(&command), "{text}");
        let link = format!("href=\"/policies/shop/korea?lang={other}\"");
        assert!(text.contains(&link), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_may_not_be_seen_look_the_same() {
    for path in [
        "/workloads/shop/Deployment/gone",
        "/policies/other/korea",
        "/cluster-policies/none",
    ] {
        let (status, _, text) = ask(Asked {
            path,
            peer: "127.0.0.1:5000",
            host: "localhost",
        })
        .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(
            text.contains("was not found, or you may not see it"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_page_of_ten_thousand_workloads_shows_twenty_five_and_the_way_on() {
    let web = Web::given(Arc::new(sample::many(10_000)), Arc::new(sample::Agents));
    let mut request = Request::get("/cluster-policies/everything?page=2&lang=en")
        .header(header::HOST, "localhost")
        .body(Body::empty())
        .unwrap();
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    request.extensions_mut().insert(Peer {
        address,
        certified: false,
    });
    let response = web.router().oneshot(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("workload-00025") && text.contains("workload-00049"));
    assert!(!text.contains("workload-00050"));
    assert!(text.contains("page=1&amp;lang=en") && text.contains("page=3&amp;lang=en"));
    assert!(bytes.len() < 300 * 1024, "{} bytes", bytes.len());
}

#[tokio::test]
async fn a_workload_tells_what_became_of_earlier_advice_and_that_it_is_no_cause() {
    let outcome = serde_json::json!({
        "resource": "cpu", "container": "main", "asked": "500m", "advised": "250m",
        "askedNow": "250m", "state": "Measured", "daysBefore": 28, "daysAfter": 14,
        "firstTold": "2026-09-01T00:00:00Z", "lastTold": "2026-09-09T00:00:00Z",
        "takenAt": "2026-09-09T10:00:00Z",
        "predictedMilligramsPerDay": {"low": 11, "value": 22, "high": 33},
        "effect": {
            "beforeMicrojoulesPerHour": 100_000_000, "afterMicrojoulesPerHour": 87_142_857,
            "changeMicrojoulesPerHour": {"low": -16_440_907, "value": -12_857_143, "high": -9_273_379},
            "cpuBeforeMillisecondsPerHour": 40_000, "cpuAfterMillisecondsPerHour": 39_000,
            "weekdays": 7, "provenance": "measured", "basis": "",
        },
    });
    let outcome: AdviceOutcome = serde_json::from_value(outcome).unwrap();
    for (language, words) in [
        (
            "en",
            [
                "What became of earlier advice",
                "an association, not causal",
            ],
        ),
        (
            "ko",
            [
                "이전 자원 요청량 권고의 이행 결과",
                "인과관계를 뜻하지 않는다",
            ],
        ),
    ] {
        let mut facts = sample::facts();
        for policy in &mut facts.policies {
            for one in &mut policy.status.workloads {
                one.advice_outcomes = vec![outcome.clone()];
            }
        }
        let router = Web::given(Arc::new(facts), Arc::new(sample::Agents)).router();
        let asked = Asked {
            path: &format!("/workloads/shop/Deployment/api?lang={language}"),
            peer: "127.0.0.1:5000",
            host: "localhost:8080",
        };
        let (_, _, text) = ask_of(router, asked).await;
        for word in words.iter().chain(&["-12.86 J (-16.44 J – -9.273 J)"]) {
            assert!(text.contains(word), "{word} is missing: {text}");
        }
    }
    let none = page("/workloads/shop/Deployment/api?lang=en").await;
    assert!(!none.contains("What became of earlier advice"), "{none}");
}
