//! The web page: what only this process knows beside the facts of the cluster.
//!
//! Read only; serves whether or not this process holds the lease, but only
//! the holder reads agents and knows their power. Rights: create tokenreviews
//! and subjectaccessreviews; list configmaps in its own namespace; list what
//! is shown; watch policies of both kinds.

use std::sync::Arc;

use axum::Router;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tanso_agent_wire::meters::MeterSaid;
use tanso_faces::view::{FactsFault, Reader, Reviewer};
use tanso_faces::web::{Live, LiveNode, StudyFiles, Web};
use tanso_power::Watts;
use tanso_runtime::{Health, Shutdown};

use crate::collect::NodeBoard;

/// Label of `ConfigMaps` in the operator's namespace that hold studies.
const STUDIES: &str = "tanso.dev/study=true";
/// Most studies on the page.
const STUDIES_MAX: u32 = 20;

/// What the pages stand on.
pub struct Process {
    /// Reads the cluster with the operator's own rights.
    pub client: Client,
    /// Reviews tokens with the operator's own rights.
    pub reviewer: Reviewer,
    /// Namespace of the installation.
    pub namespace: String,
    /// Reads the cluster, the ledger and what services said.
    pub reader: Reader,
    /// What the collector knows of agents.
    pub board: NodeBoard,
    /// Told when the first page was read ahead.
    pub health: Health,
    /// Ends what reads ahead.
    pub shutdown: Shutdown,
}

/// The part of [`Health`] that waits until the first page was read ahead, so
/// that a Service sends nobody to pages that are read while they wait.
pub const PART: &str = "pages";

/// Says that the pages are ready, however the first reading ended: by a panic
/// too.
struct Cold(Health);

impl Drop for Cold {
    fn drop(&mut self) {
        self.0.ready(PART);
    }
}

/// The routes of the pages; the first one is kept ready from now on.
pub fn router(process: Process) -> Router {
    let Process {
        client,
        reviewer,
        namespace,
        reader,
        board,
        health,
        shutdown,
    } = process;
    let own = Own {
        client,
        namespace,
        board,
    };
    let web = Web::new(reader, reviewer, Arc::new(own));
    health.waiting(PART, "the first page is being read");
    let warm = web.clone().keep_warm(Cold(health));
    tokio::spawn(async move {
        tokio::select! {
            () = warm => {}
            () = shutdown.begun() => {}
        }
    });
    web.router()
}

/// The agents' board and the studies.
struct Own {
    client: Client,
    namespace: String,
    board: NodeBoard,
}

impl Live for Own {
    fn nodes(&self) -> Vec<LiveNode> {
        let all = self.board.all().into_iter();
        all.map(|(node, facts)| LiveNode {
            node,
            monitor: facts.monitor,
            pod: facts.pod,
            provenance: facts.provenance,
            power_mw: facts.power.map(milliwatts),
            active_meters: in_state(&facts.meters, "active"),
            failed_meters: in_state(&facts.meters, "failed"),
            last_success: facts.last_success,
            error: facts.error,
        })
        .collect()
    }

    fn studies(&self) -> BoxFuture<'_, Result<Vec<StudyFiles>, FactsFault>> {
        Box::pin(self.listed())
    }
}

impl Own {
    async fn listed(&self) -> Result<Vec<StudyFiles>, FactsFault> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default().labels(STUDIES).limit(STUDIES_MAX);
        let listed = api.list(&params).await;
        let listed = listed.map_err(|error| FactsFault::of("listing studies", &error))?;
        let study = |map: ConfigMap| {
            let name = map.name_any();
            let mut data = map.data?;
            Some(StudyFiles {
                name,
                plan: data.remove("plan.yaml"),
                trials: data.remove("trials.csv")?,
            })
        };
        Ok(listed.into_iter().filter_map(study).collect())
    }
}

/// The names of meters in a state.
fn in_state(meters: &[MeterSaid], state: &str) -> Vec<String> {
    let those = meters.iter().filter(|meter| meter.state == state);
    those.map(|meter| meter.name.clone()).collect()
}

/// Whole milliwatts.
fn milliwatts(power: Watts) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and power is never that large"
    )]
    let whole = (power.as_watts_f64() * 1e3).round() as i64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A replica whose first reading panicked must not be left out for ever.
    #[test]
    fn the_pages_are_ready_when_the_first_reading_ends_by_a_panic_too() {
        let health = Health::new(&[PART]);
        let cold = Cold(health.clone());
        let is_ready = health.is_ready();
        let reading = std::thread::spawn(move || {
            let _cold = cold;
            assert!(is_ready, "the reading ends here");
        });
        assert!(reading.join().is_err());
        assert!(health.is_ready());
    }

    #[test]
    fn power_is_in_whole_milliwatts() {
        assert_eq!(
            milliwatts(Watts::try_from_watts(212.4004).unwrap()),
            212_400
        );
    }
}
