//! Enters a cluster's namespaces, then becomes another program. No process of
//! ours stays in between: signals, status and terminal are the program's own.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};

use super::{cgroups, isolate, network};

/// What to enter and what to become.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mount namespace to enter
    #[arg(long)]
    mnt: Option<PathBuf>,
    /// The network namespace to enter, as named in that mount namespace
    #[arg(long)]
    net: Option<PathBuf>,
    /// The control group to join in the version 2 tree
    #[arg(long)]
    cgroup: Option<String>,
    /// Make mounts for this node from those entered, in a namespace of its own
    #[arg(long, value_name = "NODE", requires = "state_dir")]
    split_mounts: Option<String>,
    /// The cluster's state folder
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// Switch on forwarding in the network namespace
    #[arg(long)]
    forward: bool,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Enters and becomes the program; comes back only on failure.
///
/// # Errors
/// When a namespace cannot be entered or the program not be started.
pub fn run(args: Args) -> Result<()> {
    if let Some(group) = &args.cgroup {
        cgroups::join(group)?;
    }
    if let Some(path) = &args.mnt {
        let here = env::current_dir().ok();
        enter(path, CloneFlags::CLONE_NEWNS)?;
        // Entering leaves one at the root; the folder may be hidden there.
        if let Some(here) = here {
            let _ = env::set_current_dir(here);
        }
    }
    if let Some(path) = &args.net {
        enter(path, CloneFlags::CLONE_NEWNET)?;
    }
    if let (Some(node), Some(dir)) = (&args.split_mounts, &args.state_dir) {
        isolate::split(dir, node)?;
    }
    if args.forward {
        network::forward()?;
    }
    let mut words = args.command.into_iter();
    let program = words.next().context("a program to become")?;
    let error = Command::new(&program).args(words).exec();
    bail!("starting \"{}\": {error}", program.to_string_lossy());
}

fn enter(path: &Path, kind: CloneFlags) -> Result<()> {
    let file = File::open(path).with_context(|| format!("opening \"{}\"", path.display()))?;
    setns(file, kind).with_context(|| format!("entering \"{}\"; are you root?", path.display()))
}
