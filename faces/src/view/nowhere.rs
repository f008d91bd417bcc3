//! Facts where there is no cluster: the bundled rules and the time. Whatever else
//! is asked for is refused with the reason why there is none.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use tanso_carbon::RuleSet;
use tanso_carbon::calendar::Period;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::{CarbonReport, EnergyStudy, PowerMonitor};

use super::{Answer, Energy, Facts, FactsFault, Policy, Schedule, Scope, Site, WorkloadKey, rules};

/// Facts of whoever has no cluster.
#[derive(Clone, Debug)]
pub struct Nowhere {
    why: String,
}

impl Nowhere {
    /// Facts without a cluster; `why` says how to name one.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }

    fn refused<'a, T: Send + 'a>(&self) -> Answer<'a, T> {
        let why = self.why.clone();
        Box::pin(std::future::ready(Err(FactsFault::NoCluster { why })))
    }
}

impl Facts for Nowhere {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn rules(&self) -> Answer<'_, Arc<RuleSet>> {
        Box::pin(std::future::ready(rules::bundled()))
    }

    fn policies<'a>(&'a self, _: &'a Scope) -> Answer<'a, Vec<Policy>> {
        self.refused()
    }

    fn workloads<'a>(&'a self, _: &'a Policy) -> Answer<'a, Arc<Vec<WorkloadResult>>> {
        self.refused()
    }

    fn reports<'a>(&'a self, _: &'a Policy) -> Answer<'a, Arc<Vec<CarbonReport>>> {
        self.refused()
    }

    fn monitors(&self) -> Answer<'_, Vec<PowerMonitor>> {
        self.refused()
    }

    fn nodes(&self) -> Answer<'_, Vec<Node>> {
        self.refused()
    }

    fn energy<'a>(&'a self, _: &'a Scope, _: Period) -> Answer<'a, Energy> {
        self.refused()
    }

    fn energy_of<'a>(&'a self, _: &'a WorkloadKey, _: Period) -> Answer<'a, Energy> {
        self.refused()
    }

    fn site<'a>(&'a self, _: &'a Policy) -> Answer<'a, Site> {
        self.refused()
    }

    fn studies(&self) -> Answer<'_, Vec<EnergyStudy>> {
        self.refused()
    }

    fn schedule<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Option<Schedule>> {
        self.refused()
    }
}
