//! Configuration files of a node's components. JSON is written where YAML is
//! read: every JSON document is a YAML document.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::network::BRIDGE;
use super::pki::Pki;
use super::state::{Layout, Node, Programs, write_json};

/// The image of the container that holds a pod's namespaces.
pub const PAUSE_IMAGE: &str = "localhost/tanso/pause:1";

/// The files that configure one node.
#[derive(Debug)]
pub(super) struct NodeFiles {
    /// containerd's configuration.
    pub(super) containerd: PathBuf,
    /// The kubelet's configuration.
    pub(super) kubelet: PathBuf,
    /// kube-proxy's configuration.
    pub(super) kube_proxy: PathBuf,
    /// The kubelet's kubeconfig.
    pub(super) kubelet_kubeconfig: PathBuf,
    /// Where the kubelet keeps its pods.
    pub(super) kubelet_root: PathBuf,
}

/// Writes all files of a node.
///
/// # Errors
/// When one cannot be written.
pub(super) fn write(
    layout: &Layout,
    pki: &Pki,
    programs: &Programs,
    node: &Node,
) -> Result<NodeFiles> {
    let dir = layout.at("nodes").join(&node.name);
    let at = |name: &str| dir.join(name);
    for folder in [
        "cni",
        "cni-data",
        "pod-logs",
        "plugins",
        "kubelet",
        "containerd",
        "opt",
    ] {
        fs::create_dir_all(at(folder))
            .with_context(|| format!("creating \"{}\"", at(folder).display()))?;
    }
    let files = NodeFiles {
        containerd: at("containerd.toml"),
        kubelet: at("kubelet.json"),
        kube_proxy: at("kube-proxy.json"),
        kubelet_kubeconfig: at("kubelet.kubeconfig"),
        kubelet_root: at("kubelet"),
    };
    let toml = containerd_toml(programs, node, &dir);
    fs::write(&files.containerd, toml)
        .with_context(|| format!("writing \"{}\"", files.containerd.display()))?;
    // No name server is to be had inside: pods get an empty file instead of the machine's.
    fs::write(at("resolv.conf"), "").context("writing \"resolv.conf\"")?;
    write_json(&at("cni").join("10-tanso.conflist"), &cni(node, &dir))?;
    write_json(&files.kubelet, &kubelet(pki, node, &dir))?;
    write_json(&files.kube_proxy, &kube_proxy(layout, node))?;
    pki.kubeconfig(&node.name, &files.kubelet_kubeconfig)?;
    Ok(files)
}

fn containerd_toml(programs: &Programs, node: &Node, dir: &std::path::Path) -> String {
    let state = format!("/run/tanso/{}/containerd", node.name);
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    format!(
        r#"version = 2
root = "{dir}/containerd"
state = "{state}"
oom_score = 0

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{dir}/opt"

[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
# The kernel refuses a lower score without CAP_SYS_RESOURCE, and every pod would die.
restrict_oom_score_adj = true
disable_apparmor = true
stream_server_address = "127.0.0.1"

[{cri}.containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[{cri}.containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false

[{cri}.cni]
bin_dir = "{cni}"
conf_dir = "{dir}/cni"
"#,
        dir = dir.display(),
        socket = node.containerd_socket.display(),
        runc = programs.runc.display(),
        cni = programs.cni_dir.display(),
    )
}

fn cni(node: &Node, dir: &std::path::Path) -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "tanso",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": dir.join("cni-data"),
                    "ranges": [[{"subnet": node.pod_cidr, "gateway": node.address}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn kubelet(pki: &Pki, node: &Node, dir: &std::path::Path) -> serde_json::Value {
    let serving = format!("{}-serving", node.name);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": pki.cert("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki.cert(&serving),
        "tlsPrivateKeyFile": pki.key(&serving),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup_root,
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        // Hybrid machines run on version 1.
        "failCgroupV1": false,
        "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{}", node.containerd_socket.display()),
        "podLogsDir": dir.join("pod-logs"),
        "volumePluginDir": dir.join("plugins"),
        "makeIPTablesUtilChains": false,
        // Without it eviction finds no file system and the node is never healthy.
        "localStorageCapacityIsolation": true,
        "evictionHard": {
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "memory.available": "100Mi",
        },
        // Images are loaded by hand and never pulled: none may go.
        "imageGCHighThresholdPercent": 100,
        "maxPods": 60,
        "oomScoreAdj": 0,
        "resolvConf": dir.join("resolv.conf"),
        "clusterDNS": [super::state::API_ADDRESS],
        "clusterDomain": "cluster.local",
        "shutdownGracePeriod": "0s",
    })
}

fn kube_proxy(layout: &Layout, node: &Node) -> serde_json::Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": node.address,
        "clusterCIDR": "10.244.0.0/16",
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "hostnameOverride": node.name,
        "oomScoreAdj": 0,
        "clientConnection": {"kubeconfig": layout.at("kube-proxy.kubeconfig")},
        // Left alone: these belong to the whole machine.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpCloseWaitTimeout": "0s",
            "tcpEstablishedTimeout": "0s",
        },
    })
}
