//! Before a start: what the machine must have, and the supervisor's orders.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::state::{Programs, Spec};
use super::{Options, Profile};
use crate::packages::{self, Need};
use crate::{images, workspace};

/// What the supervisor is asked to run, with everything it needs in place.
///
/// # Errors
/// When something is missing and cannot be installed or built here.
pub(super) fn spec(options: &Options) -> Result<Spec> {
    let with_nodes = options.profile == Profile::Node;
    packages(options.profile)?;
    let find = |name: &str| {
        workspace::in_path(name).with_context(|| format!("looking for \"{name}\" in PATH"))
    };
    let mut programs = Programs {
        ip: find("ip")?,
        ..Programs::default()
    };
    let mut archives = Vec::new();
    if with_nodes {
        programs.containerd = find("containerd")?;
        programs.ctr = find("ctr")?;
        programs.runc = find("runc")?;
        programs.cni_dir = cni_dir().context("looking for CNI's plugins in \"/usr/lib/cni\"")?;
        archives = images::build(&["pause"])?;
    }
    for archive in &options.images {
        let path = fs::canonicalize(archive)
            .with_context(|| format!("reading \"{}\"", archive.display()))?;
        archives.push(path);
    }
    Ok(Spec {
        name: options.name.clone(),
        profile: options.profile,
        nodes: if with_nodes {
            options.nodes.clamp(1, 2)
        } else {
            0
        },
        services: options.services,
        images: archives,
        apiserver_args: options.apiserver_args.clone(),
        controller_manager_args: options.controller_manager_args.clone(),
        programs,
    })
}

/// What Debian has of a cluster's programs, installed where it is missing.
///
/// # Errors
/// When something is missing and cannot be installed here.
pub(super) fn packages(profile: Profile) -> Result<()> {
    let mut needs = vec![Need {
        file: "ip",
        package: "iproute2",
    }];
    if profile == Profile::Node {
        needs.extend([
            Need {
                file: "containerd",
                package: "containerd",
            },
            Need {
                file: "runc",
                package: "runc",
            },
            Need {
                file: "iptables",
                package: "iptables",
            },
            Need {
                file: "nft",
                package: "nftables",
            },
        ]);
        if cni_dir().is_none() {
            needs.push(Need {
                file: "/usr/lib/cni/bridge",
                package: "containernetworking-plugins",
            });
        }
    }
    packages::ensure(&needs, "the cluster")
}

fn cni_dir() -> Option<PathBuf> {
    ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"]
        .map(PathBuf::from)
        .into_iter()
        .find(|dir| dir.join("bridge").is_file() && dir.join("portmap").is_file())
}
