//! The command line of each component.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::config::NodeFiles;
use super::pki::Pki;
use super::state::{API_ADDRESS, API_PORT, Layout, Node, Spec};

const ETCD_CLIENTS: &str = "http://127.0.0.1:2379";
const ETCD_PEERS: &str = "http://127.0.0.1:2380";
const SERVICE_CIDR: &str = "10.96.0.0/16";

fn flag(name: &str, value: impl AsRef<Path>) -> OsString {
    let mut text = OsString::from(format!("--{name}="));
    text.push(value.as_ref());
    text
}

/// etcd, on memory-like durability: the data dies with the cluster.
#[must_use]
pub(super) fn etcd(layout: &Layout) -> Vec<OsString> {
    let mut words: Vec<OsString> = [
        "--name=n0".to_owned(),
        format!("--listen-client-urls={ETCD_CLIENTS}"),
        format!("--advertise-client-urls={ETCD_CLIENTS}"),
        format!("--listen-peer-urls={ETCD_PEERS}"),
        format!("--initial-advertise-peer-urls={ETCD_PEERS}"),
        format!("--initial-cluster=n0={ETCD_PEERS}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
    .map(OsString::from)
    .into();
    words.push(flag("data-dir", layout.at("etcd")));
    words
}

/// Writes what the DNS server is to answer: the cluster's own names, and
/// nothing of the world outside.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_corefile(layout: &Layout) -> Result<()> {
    let kubeconfig = layout.kubeconfig();
    let text = format!(
        "cluster.local:53 {{\n  bind {API_ADDRESS}\n  errors\n  kubernetes cluster.local {{\n    \
         kubeconfig {}\n  }}\n}}\n",
        kubeconfig.display()
    );
    let file = layout.at("Corefile");
    fs::write(&file, text).with_context(|| format!("writing \"{}\"", file.display()))
}

/// `CoreDNS`.
#[must_use]
pub(super) fn coredns(layout: &Layout) -> Vec<OsString> {
    vec!["-conf".into(), layout.at("Corefile").into()]
}

/// The API server.
#[must_use]
pub(super) fn apiserver(spec: &Spec, pki: &Pki) -> Vec<OsString> {
    let mut words: Vec<OsString> = [
        format!("--etcd-servers={ETCD_CLIENTS}"),
        "--bind-address=0.0.0.0".to_owned(),
        format!("--advertise-address={API_ADDRESS}"),
        format!("--secure-port={API_PORT}"),
        "--kubelet-preferred-address-types=InternalIP,Hostname".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        format!("--service-cluster-ip-range={SERVICE_CIDR}"),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
    ]
    .map(OsString::from)
    .into();
    words.extend([
        flag("tls-cert-file", pki.cert("apiserver")),
        flag("tls-private-key-file", pki.key("apiserver")),
        flag("client-ca-file", pki.cert("ca")),
        flag("kubelet-client-certificate", pki.cert("kubelet-client")),
        flag("kubelet-client-key", pki.key("kubelet-client")),
        flag("kubelet-certificate-authority", pki.cert("ca")),
        flag(
            "service-account-key-file",
            pki.key("sa").with_extension("pub"),
        ),
        flag("service-account-signing-key-file", pki.key("sa")),
        flag("requestheader-client-ca-file", pki.cert("front-proxy-ca")),
        flag("proxy-client-cert-file", pki.cert("front-proxy-client")),
        flag("proxy-client-key-file", pki.key("front-proxy-client")),
    ]);
    words.extend(spec.apiserver_args.iter().map(OsString::from));
    words
}

/// The controller manager.
#[must_use]
pub(super) fn controller_manager(spec: &Spec, layout: &Layout, pki: &Pki) -> Vec<OsString> {
    let mut words = three_kubeconfigs(&layout.at("kube-controller-manager.kubeconfig"));
    words.extend(
        [
            "--leader-elect=false",
            "--use-service-account-credentials",
            "--controllers=*,-cloud-node-lifecycle-controller",
            "--allocate-node-cidrs=true",
            "--cluster-cidr=10.244.0.0/16",
            "--service-cluster-ip-range=10.96.0.0/16",
            // By the default of 20 the first ServiceAccount comes five seconds later.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]
        .map(OsString::from),
    );
    words.extend([
        flag("service-account-private-key-file", pki.key("sa")),
        flag("root-ca-file", pki.cert("ca")),
        flag("cluster-signing-cert-file", pki.cert("ca")),
        flag("cluster-signing-key-file", pki.key("ca")),
        flag("flex-volume-plugin-dir", layout.at("plugins")),
    ]);
    words.extend(spec.controller_manager_args.iter().map(OsString::from));
    words
}

/// The scheduler.
#[must_use]
pub(super) fn scheduler(layout: &Layout) -> Vec<OsString> {
    let mut words = three_kubeconfigs(&layout.at("kube-scheduler.kubeconfig"));
    words.push("--leader-elect=false".into());
    words
}

fn three_kubeconfigs(file: &Path) -> Vec<OsString> {
    let mut words = vec![OsString::from("--bind-address=127.0.0.1")];
    for name in [
        "kubeconfig",
        "authentication-kubeconfig",
        "authorization-kubeconfig",
    ] {
        words.push(flag(name, file));
    }
    words
}

/// A node's container runtime.
#[must_use]
pub(super) fn containerd(files: &NodeFiles) -> Vec<OsString> {
    vec![flag("config", &files.containerd)]
}

/// A node's kubelet.
#[must_use]
pub(super) fn kubelet(files: &NodeFiles, node: &Node) -> Vec<OsString> {
    vec![
        flag("config", &files.kubelet),
        flag("kubeconfig", &files.kubelet_kubeconfig),
        flag("root-dir", &files.kubelet_root),
        flag("cert-dir", files.kubelet_root.join("pki")),
        format!("--hostname-override={}", node.name).into(),
        format!("--node-ip={}", node.address).into(),
    ]
}

/// A node's Service rules.
#[must_use]
pub(super) fn kube_proxy(files: &NodeFiles) -> Vec<OsString> {
    vec![flag("config", &files.kube_proxy)]
}
