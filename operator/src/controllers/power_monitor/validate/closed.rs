//! What `NetworkPolicy`s let through to and from agents and model server.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tanso_crds::power_monitor::{NetworkPolicySpec, Switch};

use super::{Fault, fault, selector_faults_at};

/// What is let through beside a monitor's own pods and the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Labels of the namespaces that may read metrics; none means all.
    pub readers: BTreeMap<String, String>,
    /// Ports of the cluster's DNS; at least one, none twice.
    pub dns_ports: Vec<u16>,
    /// Ports of the API server; at least one, none twice.
    pub api_server_ports: Vec<u16>,
    /// Where the API server answers; `None`: anywhere.
    pub api_server_cidr: Option<String>,
}

impl Closed {
    /// Checked also where it is switched off.
    pub(super) fn of(spec: &NetworkPolicySpec, faults: &mut Vec<Fault>) -> Option<Self> {
        faults.extend(selector_faults_at(
            "spec.networkPolicy.metricsFrom",
            &spec.metrics_from,
        ));
        let dns_ports = ports("spec.networkPolicy.dnsPorts", &spec.dns_ports, faults);
        let at = "spec.networkPolicy.apiServerPorts";
        let api_server_ports = ports(at, &spec.api_server_ports, faults);
        if let Some(cidr) = spec.api_server_cidr.as_ref().filter(|cidr| !is_cidr(cidr)) {
            let accepted = "accepted is a CIDR, as in 10.0.0.1/32";
            faults.push(fault("spec.networkPolicy.apiServerCidr", cidr, accepted));
        }
        (spec.type_ == Switch::Enabled).then(|| Self {
            readers: spec.metrics_from.clone(),
            dns_ports,
            api_server_ports,
            api_server_cidr: spec.api_server_cidr.clone(),
        })
    }
}

/// A rule without a port would let through all of them.
fn ports(path: &str, told: &[i32], faults: &mut Vec<Fault>) -> Vec<u16> {
    if told.is_empty() {
        let accepted = "accepted are one or more ports, each 1 to 65535";
        faults.push(fault(path, "[]", accepted));
    }
    let mut ports = Vec::new();
    for (at, port) in told.iter().enumerate() {
        match u16::try_from(*port) {
            Ok(port) if port > 0 && !ports.contains(&port) => ports.push(port),
            _ => faults.push(fault(
                format!("{path}[{at}]"),
                &port.to_string(),
                "accepted are 1 to 65535, each port once",
            )),
        }
    }
    ports
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.bytes().all(|byte| byte.is_ascii_digit())
        && length.parse::<u8>().is_ok_and(|length| length <= most)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn closed(spec: Value) -> (Option<Closed>, Vec<String>) {
        let mut faults = Vec::new();
        let closed = Closed::of(&serde_json::from_value(spec).unwrap(), &mut faults);
        (closed, faults.into_iter().map(|fault| fault.path).collect())
    }

    #[test]
    fn nothing_is_closed_unless_it_is_wished() {
        assert_eq!(closed(json!({})), (None, Vec::new()));
    }

    #[test]
    fn closed_networks_leave_the_usual_ports_of_dns_and_api_server() {
        let (found, faults) = closed(json!({"type": "Enabled"}));
        assert_eq!(faults, Vec::<String>::new());
        let usual = Closed {
            dns_ports: vec![53],
            api_server_ports: vec![443, 6443],
            ..Closed::default()
        };
        assert_eq!(found, Some(usual));
    }

    #[test]
    fn addresses_of_both_families_are_taken() {
        for cidr in ["10.0.0.1/32", "0.0.0.0/0", "2001:db8::/32", "::/0"] {
            let (found, faults) = closed(json!({"type": "Enabled", "apiServerCidr": cidr}));
            assert_eq!(faults, Vec::<String>::new(), "{cidr}");
            assert_eq!(found.unwrap().api_server_cidr.as_deref(), Some(cidr));
        }
    }

    #[test]
    fn what_would_open_more_or_nothing_is_refused_by_path() {
        let cases = [
            (json!({"metricsFrom": {"a b": "c"}}), "metricsFrom"),
            (json!({"dnsPorts": []}), "dnsPorts"),
            (json!({"dnsPorts": [53, 0]}), "dnsPorts[1]"),
            (json!({"dnsPorts": [53, 53]}), "dnsPorts[1]"),
            (json!({"apiServerPorts": []}), "apiServerPorts"),
            (json!({"apiServerPorts": [65536]}), "apiServerPorts[0]"),
            (json!({"apiServerPorts": [-1]}), "apiServerPorts[0]"),
            (json!({"apiServerCidr": ""}), "apiServerCidr"),
            (json!({"apiServerCidr": "10.0.0.1"}), "apiServerCidr"),
            (json!({"apiServerCidr": "10.0.0.1/33"}), "apiServerCidr"),
            (json!({"apiServerCidr": "10.0.0.1/+8"}), "apiServerCidr"),
            (json!({"apiServerCidr": "host/8"}), "apiServerCidr"),
        ];
        for (spec, field) in cases {
            let (_, faults) = closed(spec.clone());
            assert_eq!(faults, [format!("spec.networkPolicy.{field}")], "{spec}");
        }
    }
}
