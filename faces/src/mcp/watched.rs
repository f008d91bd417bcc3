//! Facts that pass on how far an answer is, for whoever tells its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use tanso_carbon::RuleSet;
use tanso_carbon::calendar::Period;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::{CarbonReport, EnergyStudy, PowerMonitor};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::view::{
    Answer, Energy, Facts, Listed, ListedWorkloads, NewestHour, Policy, Schedule, Scope, Site,
    Summing, Sums, WorkloadKey,
};

/// How far an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Percent; larger than that of the step before, from 2 to 99.
    pub(super) percent: u8,
    /// What was done.
    pub(super) what: String,
}

/// Facts of a caller who is told how far their answer is.
pub(super) struct Watched {
    facts: Arc<dyn Facts>,
    last: AtomicU8,
    /// Holds 98 steps at most: each is a larger percentage.
    steps: UnboundedSender<Step>,
}

impl Watched {
    pub(super) fn new(facts: Arc<dyn Facts>) -> (Self, UnboundedReceiver<Step>) {
        let (steps, told) = mpsc::unbounded_channel();
        let watched = Self {
            facts,
            last: AtomicU8::new(1),
            steps,
        };
        (watched, told)
    }
}

impl Facts for Watched {
    fn note(&self, percent: u8, what: &str) {
        let percent = percent.min(99);
        if self.last.fetch_max(percent, Ordering::Relaxed) < percent {
            let what = what.to_owned();
            // Who is gone need not be told.
            let _ = self.steps.send(Step { percent, what });
        }
    }

    fn now(&self) -> Timestamp {
        self.facts.now()
    }

    fn rules(&self) -> Answer<'_, Arc<RuleSet>> {
        self.facts.rules()
    }

    fn policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Vec<Policy>> {
        self.facts.policies(scope)
    }

    fn listed_policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Listed<Policy>> {
        self.facts.listed_policies(scope)
    }

    fn workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<WorkloadResult>>> {
        self.facts.workloads(policy)
    }

    fn listed_workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, ListedWorkloads> {
        self.facts.listed_workloads(policy)
    }

    fn reports<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<CarbonReport>>> {
        self.facts.reports(policy)
    }

    fn monitors(&self) -> Answer<'_, Vec<PowerMonitor>> {
        self.facts.monitors()
    }

    fn listed_monitors(&self) -> Answer<'_, Listed<PowerMonitor>> {
        self.facts.listed_monitors()
    }

    fn nodes(&self) -> Answer<'_, Vec<Node>> {
        self.facts.nodes()
    }

    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        self.facts.energy(scope, period)
    }

    fn energy_of<'a>(&'a self, workload: &'a WorkloadKey, period: Period) -> Answer<'a, Energy> {
        self.facts.energy_of(workload, period)
    }

    fn newest<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, NewestHour> {
        self.facts.newest(scope, period)
    }

    fn sums<'a>(
        &'a self,
        scope: &'a Scope,
        period: Period,
        summing: &'a Summing,
    ) -> Answer<'a, Sums> {
        self.facts.sums(scope, period, summing)
    }

    fn may_read_hours<'a>(&'a self, scope: &'a Scope) -> Answer<'a, ()> {
        self.facts.may_read_hours(scope)
    }

    fn site<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Site> {
        self.facts.site(policy)
    }

    fn studies(&self) -> Answer<'_, Vec<EnergyStudy>> {
        self.facts.studies()
    }

    fn listed_studies(&self) -> Answer<'_, Listed<EnergyStudy>> {
        self.facts.listed_studies()
    }

    fn schedule<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<Schedule>> {
        self.facts.schedule(namespace, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::note;
    use crate::view::given::Given;

    #[test]
    fn each_step_is_larger_than_the_one_before_and_none_is_the_end() {
        let (watched, mut told) = Watched::new(Arc::new(Given::default()));
        for done in 0..=4 {
            note(&watched, (done, 4), (10, 50), "policy");
        }
        note(&watched, (1, 2), (0, 40), "what comes later than it began");
        note(&watched, (0, 0), (50, 200), "nothing to do");
        let mut steps = Vec::new();
        while let Ok(step) = told.try_recv() {
            steps.push((step.percent, step.what));
        }
        let expected = [
            (10, "policy 0 of 4"),
            (20, "policy 1 of 4"),
            (30, "policy 2 of 4"),
            (40, "policy 3 of 4"),
            (50, "policy 4 of 4"),
            (99, "nothing to do 0 of 0"),
        ];
        let expected = expected.map(|(percent, what)| (percent, what.to_owned()));
        assert_eq!(steps, expected);
    }
}
