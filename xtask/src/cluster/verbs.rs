//! `cluster up`, `down`, `status` and what can be done with a running one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Subcommand;

use super::{Cluster, Options, Profile, attach_at, down_at, up};
use crate::process;

/// What to do with a cluster.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The cluster's name; different names can run at once
    #[arg(long, global = true, default_value = "tanso")]
    name: String,
    /// Where the cluster's files go, instead of a folder in the cache
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start it and wait until it is ready
    Up(UpArgs),
    /// End it and remove all it left, also after a crash
    Down,
    /// Say what is up and what has died; fails when not all is up
    Status,
    /// Run kubectl as its administrator
    Kubectl {
        /// kubectl's arguments
        #[arg(last = true)]
        words: Vec<OsString>,
    },
    /// Run a program inside its network and mounts
    Exec {
        /// In the network of this node
        #[arg(long, value_name = "NODE")]
        node: Option<String>,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        words: Vec<OsString>,
    },
    /// Give image archives to every node
    LoadImages {
        /// OCI archives, for example from `cargo xtask images`
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct UpArgs {
    /// How many nodes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    nodes: u8,
    /// How much of a cluster
    #[arg(long, value_enum, default_value_t = Profile::Node)]
    profile: Profile,
    /// Whether Services work (kube-proxy runs on every node)
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    services: bool,
    /// A folder that holds etcd and every Kubernetes component
    #[arg(long, value_name = "DIR")]
    kube_binaries: Option<PathBuf>,
    /// Image archives that every node gets at once
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// A further flag of the API server, such as --audit-policy-file=FILE
    #[arg(
        long = "apiserver-arg",
        value_name = "FLAG",
        allow_hyphen_values = true
    )]
    apiserver_args: Vec<String>,
    /// A further flag of the controller manager
    #[arg(
        long = "controller-manager-arg",
        value_name = "FLAG",
        allow_hyphen_values = true
    )]
    controller_manager_args: Vec<String>,
}

/// Does it.
///
/// # Errors
/// What failed, and what to do about it.
pub fn run(args: Args) -> Result<()> {
    let Args {
        verb,
        name,
        state_dir,
    } = args;
    let dir = state_dir.as_deref();
    match verb {
        Verb::Up(more) => {
            let cluster = up(&Options {
                name,
                profile: more.profile,
                nodes: more.nodes,
                services: more.services,
                state_dir,
                kube_binaries: more.kube_binaries,
                images: more.images,
                apiserver_args: more.apiserver_args,
                controller_manager_args: more.controller_manager_args,
            })?;
            print_use(&cluster);
            Ok(())
        }
        Verb::Down => {
            let found = down_at(&name, dir)?;
            println!(
                "cluster \"{name}\" {}",
                if found { "is gone" } else { "was not there" }
            );
            Ok(())
        }
        Verb::Status => status(&attach_at(&name, dir)?),
        Verb::Kubectl { words } => {
            let error = attach_at(&name, dir)?.kubectl(words).exec();
            bail!("starting kubectl: {error}")
        }
        Verb::Exec { node, words } => {
            let cluster = attach_at(&name, dir)?;
            let mut command = match node {
                None => cluster.exec(words),
                Some(node) if cluster.node_names().contains(&node.as_str()) => {
                    cluster.exec_on(&node, words)
                }
                Some(node) => bail!(
                    "there is no node \"{node}\"; there are {}",
                    cluster.node_names().join(", ")
                ),
            };
            let shown = process::shown(&command);
            bail!("starting `{shown}`: {}", command.exec())
        }
        Verb::LoadImages { archives } => attach_at(&name, dir)?.load_images(&archives),
    }
}

fn print_use(cluster: &Cluster) {
    let name = cluster.name();
    let option = if name == "tanso" {
        String::new()
    } else {
        format!(" --name {name}")
    };
    if let Some(seconds) = cluster.state().ready_after_s {
        println!("ready after {seconds:.1} s; use it with:");
    }
    println!("  cargo xtask cluster kubectl{option} -- get pods -A");
    println!("  cargo xtask cluster exec{option} -- sh");
    println!("  cargo xtask cluster down{option}");
}

fn status(cluster: &Cluster) -> Result<()> {
    let state = cluster.state();
    println!("{:<24} {:<9} {:>8}  STATE", "COMPONENT", "NODE", "PID");
    let alive = state.supervisor.is_alive();
    let mut dead = Vec::new();
    let word = if alive { "up" } else { "dead" };
    println!(
        "{:<24} {:<9} {:>8}  {word}",
        "supervisor", "", state.supervisor.pid
    );
    if !alive {
        dead.push("supervisor");
    }
    for part in &state.parts {
        let how = match (&part.ended, part.process.is_alive()) {
            (None, true) => "up".to_owned(),
            (Some(how), _) => format!("dead: {how}; see \"{}\"", part.log.display()),
            (None, false) => format!("dead; see \"{}\"", part.log.display()),
        };
        if how != "up" {
            dead.push(&part.name);
        }
        let node = part.node.as_deref().unwrap_or_default();
        println!("{:<24} {node:<9} {:>8}  {how}", part.name, part.process.pid);
    }
    if !state.ready {
        bail!(
            "cluster \"{}\" was never ready: it stopped at {}",
            state.name,
            state.stage
        );
    }
    if !dead.is_empty() {
        bail!("cluster \"{}\": {} died", state.name, dead.join(", "));
    }
    Ok(())
}
