//! Whether certificates hold: their time, their name, their authority. Judged
//! by the library that the parts themselves use.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use tanso_crds::power_monitor::TlsType;

use super::super::Finding;
use super::super::facts::{Certificate, Facts, Found};
use super::unreadable;

/// Time before its end from which a certificate is said to end soon. The
/// operator renews its own long before.
const SOON: Duration = Duration::from_hours(7 * 24);
/// A time at which no certificate holds any more: its refusal tells the end.
const FAR: Duration = Duration::from_hours(24 * 365 * 200);

/// Each certificate of each monitor with TLS.
pub(super) fn certificates(facts: &Facts, now: Timestamp) -> Vec<Finding> {
    let all = facts.certificates.iter();
    all.map(|one| certificate(one, now)).collect()
}

fn certificate(one: &Certificate, now: Timestamp) -> Finding {
    let title = format!(
        "certificate of the {} of PowerMonitor {}",
        one.part, one.monitor
    );
    let found = match &one.found {
        Err(error) => return unreadable(error),
        Ok(None) => {
            let text = format!("{title}: there is no Secret \"{}\"", one.secret);
            return Finding::fail(text, mend(one));
        }
        Ok(Some(found)) => found,
    };
    let (Some(chain), Some(authority)) = (&found.chain, &found.authority) else {
        let key = if found.chain.is_none() {
            "tls.crt"
        } else {
            "ca.crt"
        };
        let text = format!("{title}: Secret \"{}\" has no {key}", one.secret);
        return Finding::fail(text, mend(one));
    };
    let judge = |authority: &str, after| holds(chain, authority, &one.server_name, now, after);
    if let Err(why) = judge(authority, Duration::ZERO) {
        let text = format!("{title} (Secret \"{}\"): {}", one.secret, why.text);
        return Finding::fail(text, mend(one));
    }
    if let Some(finding) = trusted(one, found, &title, judge) {
        return finding;
    }
    let end = judge(authority, FAR).err().and_then(|why| why.ends);
    let end = end.map_or_else(|| "a time unknown".to_owned(), |end| end.to_string());
    if judge(authority, SOON).is_err() {
        let text = format!("{title} (Secret \"{}\") ends soon: {end}", one.secret);
        return Finding::warn(text, mend(one));
    }
    Finding::ok(format!(
        "{title} is for {} and holds until {end}",
        one.server_name
    ))
}

/// Whether readers of metrics are told an authority that vouches for it.
fn trusted(
    one: &Certificate,
    found: &Found,
    title: &str,
    judge: impl Fn(&str, Duration) -> Result<(), Why>,
) -> Option<Finding> {
    let (name, shown) = found.shown.as_ref()?;
    let why = judge(shown, Duration::ZERO).err()?;
    Some(Finding::fail(
        format!(
            "{title}: readers of metrics trust ConfigMap \"{name}\", which does not vouch for it: {}",
            why.text
        ),
        format!(
            "see whether the operator runs, which keeps that ConfigMap as ca.crt of Secret \"{}\"; a Prometheus that copied it needs the new one",
            one.secret
        ),
    ))
}

fn mend(one: &Certificate) -> String {
    match one.from {
        TlsType::SelfSigned | TlsType::Disabled => format!(
            "delete Secret \"{}\"; the operator makes it anew and the {} take it up. If it stays so, see the operator's log",
            one.secret, one.part
        ),
        TlsType::CertManager => format!(
            "see why cert-manager does not renew it: kubectl describe certificate {}",
            one.secret
        ),
        TlsType::Secret => format!(
            "put a certificate for {} into Secret \"{}\" (tls.crt, tls.key), signed by its ca.crt",
            one.server_name, one.secret
        ),
    }
}

/// Why a certificate does not hold.
struct Why {
    text: String,
    /// When it ended or ends, if that is why.
    ends: Option<Timestamp>,
}

impl Why {
    fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ends: None,
        }
    }
}

/// Whether a chain vouches for a name some time after now.
fn holds(
    chain: &str,
    authority: &str,
    name: &str,
    now: Timestamp,
    after: Duration,
) -> Result<(), Why> {
    let read = |pem: &str, what: &str| {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let all = all.map_err(|fault| Why::new(format!("{what} cannot be read: {fault}")))?;
        if all.is_empty() {
            return Err(Why::new(format!("{what} holds no certificate")));
        }
        Ok(all)
    };
    let chain = read(chain, "tls.crt")?;
    let mut roots = RootCertStore::empty();
    for certificate in read(authority, "ca.crt")? {
        let added = roots.add(certificate);
        added.map_err(|fault| Why::new(format!("ca.crt is no authority: {fault}")))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier
        .build()
        .map_err(|fault| Why::new(fault.to_string()))?;
    let server = ServerName::try_from(name).map_err(|fault| Why::new(fault.to_string()))?;
    let Some((own, between)) = chain.split_first() else {
        return Err(Why::new("tls.crt holds no certificate"));
    };
    let now_s = u64::try_from(now.as_second()).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now_s) + after);
    match verifier.verify_server_cert(own, between, &server, &[], at) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(fault)) => Err(in_words(&fault, name)),
        Err(other) => Err(Why::new(other.to_string())),
    }
}

fn in_words(fault: &CertificateError, name: &str) -> Why {
    let instant = |time: &UnixTime| {
        let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    };
    match fault {
        CertificateError::ExpiredContext { not_after, .. } => Why {
            text: format!("it has ended: {}", instant(not_after)),
            ends: Some(instant(not_after)),
        },
        CertificateError::NotValidYetContext { not_before, .. } => {
            let begins = instant(not_before);
            Why::new(format!("it begins only {begins}: see the clocks"))
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            // The library writes `DnsName("a.b")`.
            let plain = |one: &String| one.split('"').nth(1).unwrap_or(one).to_owned();
            let names: Vec<String> = presented.iter().map(plain).collect();
            Why::new(format!(
                "it is for {}, and not for {name}",
                names.join(", ")
            ))
        }
        CertificateError::NotValidForName => Why::new(format!("it is not for {name}")),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Why::new("ca.crt does not vouch for it: another authority signed it")
        }
        other => Why::new(rustls::Error::InvalidCertificate(other.clone()).to_string()),
    }
}

#[cfg(test)]
mod tests;
