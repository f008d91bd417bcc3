//! Which endpoints may be asked, and at which addresses.
//!
//! Names are checked when they are resolved, at each connection: a name that
//! was public when it was configured and leads inside today is refused today.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

/// Endpoints beside the services' own that may be asked: `host` or
/// `host:port`, listed by whoever runs the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    listed: BTreeSet<String>,
}

/// Why an endpoint may not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardFault {
    /// It is no address of a service.
    #[error("endpoint \"{endpoint}\" is no http(s) URL of a host")]
    NoUrl {
        /// What was given.
        endpoint: String,
    },
    /// Nobody listed it.
    #[error(
        "endpoint \"{endpoint}\" is not the service's own and not listed; accepted are {}",
        accepted(.own.as_deref())
    )]
    NotListed {
        /// What was given.
        endpoint: String,
        /// The service's own.
        own: Option<String>,
    },
    /// Plain HTTP to a public service.
    #[error("endpoint \"{endpoint}\" is plain http; accepted is https")]
    Plain {
        /// What was given.
        endpoint: String,
    },
    /// A literal address that no service has.
    #[error("address {address} is {kind}: not asked")]
    Address {
        /// The address.
        address: IpAddr,
        /// What it is.
        kind: &'static str,
    },
}

fn accepted(own: Option<&str>) -> String {
    let listed = "endpoints that the operator's --intensity-endpoint lists";
    own.map_or_else(|| listed.to_owned(), |own| format!("{own} and {listed}"))
}

impl Guard {
    /// A guard that also lets these hosts pass.
    #[must_use]
    pub fn with_listed(listed: impl IntoIterator<Item = String>) -> Self {
        let listed = listed.into_iter().map(|one| one.to_ascii_lowercase());
        Self {
            listed: listed.collect(),
        }
    }

    fn lists(&self, host: &str, port: u16) -> bool {
        self.listed.contains(host) || self.listed.contains(&format!("{host}:{port}"))
    }

    fn lists_host(&self, host: &str) -> bool {
        let with_port = |one: &String| one.rsplit_once(':').is_some_and(|(name, _)| name == host);
        self.listed.contains(host) || self.listed.iter().any(with_port)
    }

    /// Checks an endpoint against the service's own and the list.
    ///
    /// # Errors
    /// Names what would be accepted.
    pub fn check(&self, endpoint: &str, own: Option<&str>) -> Result<Uri, GuardFault> {
        let named = || endpoint.to_owned();
        let no_url = || GuardFault::NoUrl { endpoint: named() };
        let uri: Uri = endpoint.parse().map_err(|_| no_url())?;
        let host = uri.host().ok_or_else(no_url)?.to_ascii_lowercase();
        // What stands before an @ could pass for a host.
        let has_user = uri
            .authority()
            .is_some_and(|all| all.as_str().contains('@'));
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(no_url()),
        };
        if has_user {
            return Err(no_url());
        }
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let is_listed = self.lists(&host, port);
        let own_host = own.and_then(|own| own.parse::<Uri>().ok());
        let own_host = own_host.as_ref().and_then(|own| own.host());
        let is_own = own_host == Some(host.as_str()) && uri.port_u16().is_none_or(|p| p == 443);
        if !is_listed && !is_own {
            return Err(GuardFault::NotListed {
                endpoint: named(),
                own: own.map(str::to_owned),
            });
        }
        if !is_https && !is_listed {
            return Err(GuardFault::Plain { endpoint: named() });
        }
        // A literal address is never resolved, so it is judged here.
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            permitted(address, is_listed).map_err(|kind| GuardFault::Address { address, kind })?;
        }
        Ok(uri)
    }
}

/// Whether an address may be asked; an error says what it is.
fn permitted(address: IpAddr, is_listed: bool) -> Result<(), &'static str> {
    match kind(address) {
        // Where machines keep their credentials: never, listed or not.
        Some(kind @ ("link-local" | "multicast" | "unspecified" | METADATA)) => Err(kind),
        Some(kind) if !is_listed => Err(kind),
        _ => Ok(()),
    }
}

/// What an address is where a cloud tells its machines their credentials.
const METADATA: &str = "a cloud's metadata service";

/// Those that are not link-local: of Alibaba, Oracle, AWS and Google.
const METADATA_AT: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// What an address is that is not public.
fn kind(address: IpAddr) -> Option<&'static str> {
    if METADATA_AT.contains(&address) {
        return Some(METADATA);
    }
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            match (a, b) {
                (0, _) => Some("unspecified"),
                (127, _) => Some("loopback"),
                (169, 254) => Some("link-local"),
                (224..=239, _) => Some("multicast"),
                (240.., _) => Some("reserved"),
                (192, 0) if c == 0 => Some("reserved"),
                // Carrier-grade NAT, and benchmarks.
                (100, 64..=127) | (198, 18 | 19) => Some("private"),
                _ if v4.is_private() => Some("private"),
                _ => None,
            }
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return kind(IpAddr::V4(v4));
            }
            let [first, second, ..] = v6.segments();
            match first {
                _ if v6.is_loopback() => Some("loopback"),
                _ if v6.is_unspecified() => Some("unspecified"),
                0xff00.. => Some("multicast"),
                0xfe80..=0xfebf => Some("link-local"),
                0xfc00..=0xfdff | 0xfec0..=0xfeff => Some("private"),
                // Addresses that hold another one: NAT64, 6to4, Teredo.
                0x0064 if second == 0xff9b => Some("translated"),
                0x2001 if second == 0 => Some("translated"),
                0x2002 => Some("translated"),
                _ => None,
            }
        }
    }
}

/// Resolves names to addresses that the guard lets pass.
#[derive(Clone, Debug)]
pub struct GuardedResolver(Arc<Guard>);

impl GuardedResolver {
    pub(super) const fn new(guard: Arc<Guard>) -> Self {
        Self(guard)
    }
}

/// The addresses of a name.
pub type Addresses = std::vec::IntoIter<SocketAddr>;

impl Service<Name> for GuardedResolver {
    type Response = Addresses;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Addresses, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let is_listed = self.0.lists_host(&name.as_str().to_ascii_lowercase());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            sift(found, is_listed, name.as_str()).map(Vec::into_iter)
        })
    }
}

/// The addresses that may be asked; an error if none is left.
fn sift(
    found: impl Iterator<Item = SocketAddr>,
    is_listed: bool,
    name: &str,
) -> io::Result<Vec<SocketAddr>> {
    let mut refused = "without an address";
    let mut kept = Vec::new();
    for address in found {
        match permitted(address.ip(), is_listed) {
            Ok(()) => kept.push(address),
            Err(kind) => refused = kind,
        }
    }
    if kept.is_empty() {
        return Err(io::Error::other(format!(
            "host \"{name}\" is {refused}: not asked"
        )));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Option<&str> = Some("https://api.example.org");

    #[test]
    fn only_the_services_own_and_listed_endpoints_pass() {
        let guard = Guard::with_listed(["Prom.monitoring.svc:9090".to_owned()]);
        let check = |endpoint| guard.check(endpoint, OWN).map(drop);
        assert_eq!(check("https://api.example.org"), Ok(()));
        assert_eq!(check("http://prom.monitoring.svc:9090"), Ok(()));
        for refused in [
            "http://api.example.org",
            "https://api.example.org:8443",
            "http://prom.monitoring.svc:9091",
            "https://api.example.org@evil.example",
            "https://evil.example/api.example.org",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "kubernetes.default",
        ] {
            assert!(check(refused).is_err(), "{refused}");
        }
        let message = check("https://evil.example").unwrap_err().to_string();
        assert!(
            message.contains("accepted are https://api.example.org"),
            "{message}"
        );
    }

    #[test]
    fn private_addresses_pass_only_when_listed_and_the_link_never() {
        for private in [
            "10.1.2.3",
            "127.0.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "fec0::1",
            "2001::1",
            "192.0.0.8",
        ] {
            let address = private.parse().unwrap();
            assert!(permitted(address, false).is_err(), "{private}");
            assert!(permitted(address, true).is_ok(), "{private}");
        }
        for never in [
            "169.254.169.254",
            "fe80::1",
            "0.0.0.0",
            "::ffff:169.254.169.254",
            "100.100.100.200",
            "::ffff:100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(permitted(never.parse().unwrap(), true).is_err(), "{never}");
        }
        for public in ["1.1.1.1", "2606:4700::1111"] {
            assert!(
                permitted(public.parse().unwrap(), false).is_ok(),
                "{public}"
            );
        }
    }

    #[test]
    fn a_name_that_leads_inside_is_refused_and_one_that_leads_both_ways_goes_out() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter()
                .map(|one| SocketAddr::new(one.parse().unwrap(), 443))
                .collect()
        };
        let inside = sift(
            addresses(&["10.0.0.1"]).into_iter(),
            false,
            "api.example.org",
        );
        let message = inside.unwrap_err().to_string();
        assert!(message.contains("private"), "{message}");
        let both = addresses(&["10.0.0.1", "1.1.1.1"]);
        let kept = sift(both.into_iter(), false, "api.example.org").unwrap();
        assert_eq!(kept, addresses(&["1.1.1.1"]));
    }
}
