//! Kills a part of tanso as the kernel would: without a word.

use std::fs;

use anyhow::{Context as _, Result, bail};

use super::session::{NAMESPACE, Session};

/// Sends SIGKILL to the processes of the pods that carry `label`, and gives
/// how many there were.
///
/// # Errors
/// When there is no such pod, or none of its processes was found.
pub fn kill_dead(session: &Session, label: &str, program: &str) -> Result<usize> {
    let pods = session.json(&["get", "pods", "-n", NAMESPACE, "-l", label, "-o", "json"])?;
    let mut killed = 0;
    for pod in pods["items"].as_array().context("pods")? {
        let uid = pod["metadata"]["uid"].as_str().context("a pod's uid")?;
        for pid in processes(uid, program) {
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            )
            .with_context(|| format!("killing {program} ({pid})"))?;
            killed += 1;
        }
    }
    if killed == 0 {
        bail!("no process \"{program}\" in a pod with label {label}");
    }
    Ok(killed)
}

/// The pids of `program` within a pod.
fn processes(pod_uid: &str, program: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let read =
            |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let cmdline = read("cmdline");
        let first = cmdline.split('\0').next().unwrap_or_default();
        let is_program = first.rsplit('/').next() == Some(program);
        is_program && read("cgroup").contains(pod_uid)
    })
    .collect()
}
