//! Who may come in, and with whose eyes they see.
//!
//! A bearer token is checked by the API server, and each fact is shown only if
//! its owner may list it there. Without one only the loopback is let in: that
//! is a port-forward, which the API server allowed; and only for a name of
//! this machine, so that no page of another site can ask in a browser's name.
//!
//! A process beside this one looks like a port-forward. A pod has a loopback of
//! its own, so that is another container of the operator's pod, or, in the
//! host's network, any process of the node: neither is part of an installation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::http::header;
use axum::http::request::Parts;
use tanso_runtime::serve::Peer;

use super::PageFault;
use crate::view::{Access, Facts, Reader, Reviewer};

/// Longest token that is looked at, letters.
const TOKEN_MAX: usize = 16 * 1024;

/// Where facts come from; clones share it.
#[derive(Clone)]
pub struct Doors(Kind);

#[derive(Clone)]
enum Kind {
    /// A cluster: the API server decides.
    Cluster(Box<Reader>, Reviewer),
    /// Given facts, for the loopback.
    Given(Arc<dyn Facts>),
}

impl Doors {
    pub(super) fn of_cluster(reader: Reader, reviewer: Reviewer) -> Self {
        Self(Kind::Cluster(Box::new(reader), reviewer))
    }

    pub(super) fn of_given(facts: Arc<dyn Facts>) -> Self {
        Self(Kind::Given(facts))
    }

    /// The namespace of the operator, for commands that are shown.
    pub(super) fn namespace(&self) -> &str {
        match &self.0 {
            Kind::Cluster(reader, _) => reader.namespace(),
            Kind::Given(_) => "tanso-system",
        }
    }

    /// The facts as this process sees them.
    pub(super) fn own(&self) -> Arc<dyn Facts> {
        match &self.0 {
            Kind::Cluster(reader, _) => Arc::new(reader.seen_by(Access::Own)),
            Kind::Given(facts) => Arc::clone(facts),
        }
    }

    /// The facts as this caller sees them.
    pub(super) async fn facts(&self, parts: &Parts) -> Result<Arc<dyn Facts>, PageFault> {
        let token = bearer(parts);
        let peer = parts.extensions.get::<Peer>();
        let from = peer.map(|peer| peer.address.ip());
        match (&self.0, token) {
            (Kind::Cluster(reader, reviewer), Some(token)) => {
                let caller = reviewer.caller(token, from).await?;
                let caller = caller.ok_or(PageFault::Unknown)?;
                let access = Access::Reviewed {
                    reviewer: reviewer.clone(),
                    caller,
                };
                Ok(Arc::new(reader.seen_by(access)))
            }
            (Kind::Cluster(reader, _), None) => {
                from_loopback(parts, reader.namespace())?;
                Ok(Arc::new(reader.seen_by(Access::Own)))
            }
            (Kind::Given(facts), _) => {
                from_loopback(parts, self.namespace())?;
                Ok(Arc::clone(facts))
            }
        }
    }
}

/// Whether a request comes from this machine and for a name of it: by a
/// port-forward, which the API server allowed.
#[must_use]
pub fn is_port_forward(parts: &Parts) -> bool {
    from_loopback(parts, "").is_ok()
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    (is_bearer && token.len() <= TOKEN_MAX).then(|| token.trim())
}

fn from_loopback(parts: &Parts, namespace: &str) -> Result<(), PageFault> {
    let peer = parts.extensions.get::<Peer>();
    let is_here = peer.is_some_and(|peer| is_forwarded(peer.address.ip()));
    if !is_here {
        return Err(PageFault::NoToken(namespace.to_owned()));
    }
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    if host.is_some_and(is_this_machine) {
        return Ok(());
    }
    Err(PageFault::Host)
}

/// Whether a port-forward comes from such an address: the kubelet's runtime
/// connects to `localhost`. Others of the loopback are how a mesh passes strangers
/// on (Istio's are 127.0.0.6).
fn is_forwarded(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address == Ipv4Addr::LOCALHOST,
        IpAddr::V6(address) => address == Ipv6Addr::LOCALHOST,
    }
}

fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            let mapped = address.to_ipv4_mapped();
            address.is_loopback() || mapped.is_some_and(|address| address.is_loopback())
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_a_mesh_passes_on_is_no_port_forward() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.6", false),
            ("::ffff:127.0.0.6", false),
            ("10.0.0.7", false),
        ] {
            assert_eq!(
                is_forwarded(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "LOCALHOST",
        ] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1:8080",
            "",
            "[::2]:1",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
