//! Nodes by what became of each source there.

use tanso_agent_wire::meters::MeterSaid;
use tanso_crds::power_monitor::{PowerSource, SourceCounts};

/// Counts of the sources that some node has, in the sources' own order; a
/// meter that no source is called after is passed over.
pub(super) fn count<'a>(nodes: impl Iterator<Item = &'a [MeterSaid]>) -> Vec<SourceCounts> {
    let mut all = PowerSource::ALL.map(|source| SourceCounts {
        source,
        active: 0,
        standby: 0,
        failed: 0,
    });
    for meter in nodes.flatten() {
        let found = all
            .iter_mut()
            .find(|counts| counts.source.as_str().eq_ignore_ascii_case(&meter.name));
        let Some(counts) = found else { continue };
        match meter.state.as_str() {
            "active" => counts.active += 1,
            "standby" => counts.standby += 1,
            "failed" => counts.failed += 1,
            // Absent and disabled: the node has it not, or nobody asks for it.
            _ => {}
        }
    }
    let is_somewhere = |counts: &SourceCounts| counts.active + counts.standby + counts.failed > 0;
    all.into_iter().filter(is_somewhere).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_counts_for_each_source_that_it_has_and_others_are_not_listed() {
        let nodes = [
            "rapl=active,perf=standby,redfish=active,nvml=absent,model=standby",
            "rapl=active,redfish=failed,nvml=active,model=disabled",
            "rapl=absent,model=active,solar=active",
        ]
        .map(tanso_agent_wire::meters::read);
        let counts = count(nodes.iter().map(Vec::as_slice));
        let told: Vec<_> = counts
            .iter()
            .map(|one| (one.source.as_str(), one.active, one.standby, one.failed))
            .collect();
        let wanted = [
            ("Rapl", 2, 0, 0),
            ("Perf", 0, 1, 0),
            ("Redfish", 1, 0, 1),
            ("Nvml", 1, 0, 0),
            ("Model", 1, 1, 0),
        ];
        assert_eq!(told, wanted);
    }
}
