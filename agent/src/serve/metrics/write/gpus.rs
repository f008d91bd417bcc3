//! GPUs, and what board management controllers tell.

use tanso_agent_wire::families::{self as f, Family};
use tanso_power::Joules;

use super::{joules, watts};
use crate::serve::metrics::exposition::Out;
use crate::snapshot::Snapshot;
use crate::snapshot::details::GpuFigures;

type Pick = fn(&GpuFigures) -> Joules;

/// Writes GPUs and power supplies.
pub(in super::super) fn write(snapshot: &Snapshot, out: &mut Out<'_>) {
    let elapsed = snapshot.elapsed;
    let sums: [(&Family, Pick); 3] = [
        (&f::NODE_GPU_JOULES, |gpu| gpu.all.total),
        (&f::NODE_GPU_ACTIVE_JOULES, |gpu| {
            gpu.all.total.saturating_sub(gpu.idle.total)
        }),
        (&f::NODE_GPU_IDLE_JOULES, |gpu| gpu.idle.total),
    ];
    let gpus = &snapshot.details.gpus;
    for (family, pick) in sums {
        out.write(
            family,
            gpus.iter().map(|gpu| (labels(gpu), joules(pick(gpu)))),
        );
    }
    let powers: [(&Family, Pick); 3] = [
        (&f::NODE_GPU_WATTS, |gpu| gpu.all.last),
        (&f::NODE_GPU_ACTIVE_WATTS, |gpu| {
            gpu.all.last.saturating_sub(gpu.idle.last)
        }),
        (&f::NODE_GPU_IDLE_WATTS, |gpu| gpu.idle.last),
    ];
    for (family, pick) in powers {
        out.write(
            family,
            gpus.iter()
                .map(|gpu| (labels(gpu), watts(pick(gpu), elapsed))),
        );
    }
    out.write(&f::NODE_GPU_INFO, gpus.iter().map(|gpu| (labels(gpu), 1.0)));
    let node = out.node;
    out.write(
        &f::PLATFORM_WATTS,
        snapshot.details.supplies.iter().map(|supply| {
            let labels = vec![
                supply.source.as_str(),
                node,
                &supply.bmc_id,
                &supply.chassis_id,
                &supply.id,
                &supply.name,
                &supply.kind,
            ];
            (labels, supply.power.as_watts_f64())
        }),
    );
}

fn labels(gpu: &GpuFigures) -> Vec<&str> {
    vec![&gpu.number, &gpu.uuid, &gpu.name, &gpu.vendor]
}
