//! The places in kernel structures that the programs read.

use super::{GroupSource, KernelError, load::Plan};
use crate::kernel::btf::Types;

const ROOT: &str = "OFF_CGROUP_ROOT";
const CPU: &str = "OFF_TASK_CPU";
/// The bytes of a pointer on every target of the kernel programs.
const POINTER: u32 = 8;

/// The offsets, by the names of the programs' globals. What a source does not
/// need is 0, and the verifier drops the code that would read it.
#[derive(Debug)]
pub(super) struct Offsets(Vec<(&'static str, u32)>);

impl Offsets {
    /// Finds what the plan's programs need.
    pub(super) fn find(types: &Types, plan: &Plan) -> Result<Self, KernelError> {
        let must = |structure: &str, path: &str| {
            types
                .offset(structure, path)
                .ok_or_else(|| KernelError::NoField {
                    name: format!("{structure}.{path}"),
                })
        };
        let mut found = vec![
            ("OFF_TASK_SUM", must("task_struct", "se.sum_exec_runtime")?),
            ("OFF_TASK_FLAGS", must("task_struct", "flags")?),
            // Without it, tasks that were dying at the start are not told apart.
            (
                "OFF_TASK_START",
                types
                    .offset("task_struct", "start_time")
                    .unwrap_or_default(),
            ),
            ("OFF_CGROUP_NODE", must("cgroup", "kn")?),
            ("OFF_NODE_ID", must("kernfs_node", "id")?),
            // Without these, groups made and removed are not told of.
            (ROOT, types.offset("cgroup", "root").unwrap_or_default()),
            (
                "OFF_ROOT_HIERARCHY",
                types
                    .offset("cgroup_root", "hierarchy_id")
                    .unwrap_or_default(),
            ),
        ];
        if plan.counted != 0 {
            found.push(("OFF_TASK_PID", must("task_struct", "pid")?));
        }
        if plan.processes {
            found.extend([
                ("OFF_TASK_TGID", must("task_struct", "tgid")?),
                ("OFF_TASK_PID", must("task_struct", "pid")?),
                ("OFF_TASK_LEADER", must("task_struct", "group_leader")?),
                ("OFF_TASK_COMM", must("task_struct", "comm")?),
                ("OFF_TASK_START", must("task_struct", "start_time")?),
            ]);
        }
        if plan.sockets.is_some() {
            // Without it, a machine with several sockets counts as one with one.
            let cpu = types
                .offset("task_struct", "thread_info.cpu")
                .or_else(|| types.offset("task_struct", "cpu"));
            found.push((CPU, cpu.unwrap_or_default()));
        }
        match plan.source {
            GroupSource::CpuController => found.extend([
                ("OFF_TASK_GROUP", must("task_struct", "sched_task_group")?),
                ("OFF_GROUP_CGROUP", must("task_group", "css.cgroup")?),
            ]),
            GroupSource::Unified => found.extend([
                ("OFF_TASK_CGROUPS", must("task_struct", "cgroups")?),
                ("OFF_SET_UNIFIED", must("css_set", "dfl_cgrp")?),
            ]),
            GroupSource::Cpuacct => {
                let number =
                    types
                        .enumerator("cpuacct_cgrp_id")
                        .ok_or_else(|| KernelError::NoField {
                            name: "cpuacct_cgrp_id".to_owned(),
                        })?;
                found.extend([
                    ("OFF_TASK_CGROUPS", must("task_struct", "cgroups")?),
                    (
                        "OFF_SET_CPUACCT",
                        must("css_set", "subsys")? + number * POINTER,
                    ),
                    ("OFF_STATE_CGROUP", must("cgroup_subsys_state", "cgroup")?),
                ]);
            }
        }
        Ok(Self(found))
    }

    /// Whether groups made and removed can be told of.
    pub(super) fn has_groups(&self) -> bool {
        self.has(ROOT)
    }

    /// Whether sockets can be told apart.
    pub(super) fn has_sockets(&self) -> bool {
        self.has(CPU)
    }

    fn has(&self, wanted: &str) -> bool {
        self.iter()
            .any(|(name, offset)| name == wanted && *offset > 0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &u32)> {
        self.0.iter().map(|(name, offset)| (*name, offset))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::{HostRoots, Sockets};
    use crate::kernel::btf::VMLINUX;

    /// Two processors, each on a socket of its own.
    fn two_sockets() -> Sockets {
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        for number in 0..2 {
            let folder = format!("devices/system/cpu/cpu{number}/topology");
            let folder = roots.sys.join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("physical_package_id"), number.to_string()).unwrap();
        }
        Sockets::read(&roots).unwrap()
    }

    #[test]
    fn this_kernel_has_every_place() {
        if !Path::new(VMLINUX).exists() {
            eprintln!("skipped: no {VMLINUX}");
            return;
        }
        let types = Types::read(Path::new(VMLINUX)).unwrap();
        for source in [GroupSource::CpuController, GroupSource::Unified] {
            let plan = Plan {
                source,
                counters_max: 1,
                hierarchy: None,
                time_resolved: false,
                nothing: false,
                processes: true,
                counted: 1,
                sockets: Some(two_sockets()),
            };
            let offsets = Offsets::find(&types, &plan).unwrap();
            assert!(offsets.has_sockets(), "{source:?}");
            let sum = offsets.iter().find(|(name, _)| *name == "OFF_TASK_SUM");
            assert!(sum.is_some_and(|(_, offset)| *offset > 0), "{source:?}");
        }
    }
}
