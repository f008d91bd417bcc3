//! The program, the processors, the power zones.

use tanso_agent_wire::families as f;
use tanso_power::Joules;

use super::{joules, watts};
use crate::processors::Processor;
use crate::serve::metrics::exposition::Out;
use crate::snapshot::Snapshot;

/// Writes what is known before any reading.
pub(in super::super) fn program(processors: &[Processor], out: &mut Out<'_>) {
    let revision = option_env!("TANSO_REVISION").unwrap_or("");
    let version = env!("CARGO_PKG_VERSION");
    let build = vec![std::env::consts::ARCH, "", revision, version, ""];
    out.write(&f::BUILD_INFO, [(build, 1.0)]);
    let rows = processors.iter().map(|processor| {
        let labels = vec![
            processor.number.as_str(),
            &processor.vendor,
            &processor.model_name,
            &processor.socket,
            &processor.core,
        ];
        (labels, 1.0)
    });
    out.write(&f::NODE_CPU_INFO, rows);
}

/// Writes the zones and the node's utilisation.
pub(in super::super) fn zones(snapshot: &Snapshot, out: &mut Out<'_>) {
    let zones = || {
        snapshot.books.zones.iter().map(|book| {
            (
                vec![book.zone.class.as_str(), book.zone.path.as_str()],
                book,
            )
        })
    };
    let elapsed = snapshot.elapsed;
    out.write(&f::NODE_JOULES, zones().map(|(l, b)| (l, joules(b.total))));
    let active = |all: Joules, idle: Joules| all.saturating_sub(idle);
    out.write(
        &f::NODE_ACTIVE_JOULES,
        zones().map(|(l, b)| (l, joules(active(b.total, b.idle)))),
    );
    out.write(
        &f::NODE_IDLE_JOULES,
        zones().map(|(l, b)| (l, joules(b.idle))),
    );
    out.write(
        &f::NODE_WATTS,
        zones().map(|(l, b)| (l, watts(b.last.0, elapsed))),
    );
    out.write(
        &f::NODE_ACTIVE_WATTS,
        zones().map(|(l, b)| (l, watts(active(b.last.0, b.last.1), elapsed))),
    );
    out.write(
        &f::NODE_IDLE_WATTS,
        zones().map(|(l, b)| (l, watts(b.last.1, elapsed))),
    );
    out.write(
        &f::NODE_USAGE_RATIO,
        [(vec![], snapshot.utilisation.ratio())],
    );
}
