//! Certificates that are really made and really signed.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::super::super::Level;
use super::*;

const NAME: &str = "tanso-agent.tanso-system.svc";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2036, 1, 1);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for November 2026.
fn signed(by: &Authority, name: &str) -> String {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2026, 11, 1);
    params.not_after = date_time_ymd(2026, 12, 1);
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, by).unwrap().pem()
}

fn found(chain: String, authority: String, from: TlsType) -> Certificate {
    Certificate {
        monitor: "tanso".to_owned(),
        part: "agents",
        secret: "tanso-agent-tls".to_owned(),
        from,
        server_name: NAME.to_owned(),
        found: Ok(Some(Found {
            chain: Some(chain),
            authority: Some(authority),
            shown: None,
        })),
    }
}

fn on(day: &str, one: &Certificate) -> Finding {
    certificate(one, format!("{day}T00:00:00Z").parse().unwrap())
}

#[test]
fn a_certificate_is_judged_by_its_time() {
    let own = authority();
    let one = found(signed(&own, NAME), own.pem(), TlsType::SelfSigned);
    let good = on("2026-11-10", &one);
    assert_eq!(good.level, Level::Ok, "{good}");
    assert!(
        good.text.ends_with("holds until 2026-12-01T00:00:00Z"),
        "{good}"
    );
    let soon = on("2026-11-26", &one);
    assert_eq!(soon.level, Level::Warn);
    assert!(soon.text.contains("ends soon: 2026-12-01"), "{soon}");
    let ended = on("2026-12-02", &one);
    assert_eq!(ended.level, Level::Fail);
    assert!(ended.text.contains("it has ended: 2026-12-01"), "{ended}");
    assert!(
        ended
            .fix
            .unwrap()
            .starts_with("delete Secret \"tanso-agent-tls\"")
    );
    let early = on("2026-10-30", &one);
    assert!(early.text.contains("it begins only 2026-11-01"), "{early}");
}

#[test]
fn another_name_and_another_authority_are_told_apart() {
    let (own, other) = (authority(), authority());
    let wrong = found(signed(&own, "web.shop.svc"), own.pem(), TlsType::Secret);
    let said = on("2026-11-10", &wrong);
    assert_eq!(said.level, Level::Fail);
    assert!(
        said.text.contains("web.shop.svc") && said.text.contains(NAME),
        "{said}"
    );
    assert!(
        said.fix
            .unwrap()
            .contains("put a certificate for tanso-agent")
    );
    let foreign = found(signed(&own, NAME), other.pem(), TlsType::CertManager);
    let said = on("2026-11-10", &foreign);
    assert!(said.text.contains("another authority signed it"), "{said}");
    assert!(said.fix.unwrap().contains("kubectl describe certificate"));
    let mut one = found(signed(&own, NAME), own.pem(), TlsType::SelfSigned);
    if let Ok(Some(found)) = &mut one.found {
        found.shown = Some(("tanso-ca".to_owned(), other.pem()));
    }
    let said = on("2026-11-10", &one);
    assert_eq!(said.level, Level::Fail);
    assert!(said.text.contains("ConfigMap \"tanso-ca\""), "{said}");
}

#[test]
fn what_is_not_there_or_no_certificate_is_said() {
    let own = authority();
    let broken = found("no PEM".to_owned(), own.pem(), TlsType::Secret);
    let said = on("2026-11-10", &broken);
    assert!(said.text.contains("tls.crt holds no certificate"), "{said}");
    let absent = Certificate {
        found: Ok(None),
        ..broken
    };
    let said = on("2026-11-10", &absent);
    assert!(said.text.contains("there is no Secret"), "{said}");
    let empty = Certificate {
        found: Ok(Some(Found {
            chain: Some(signed(&own, NAME)),
            ..Found::default()
        })),
        ..absent
    };
    let said = on("2026-11-10", &empty);
    assert!(said.text.contains("has no ca.crt"), "{said}");
}
