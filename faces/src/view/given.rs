//! Facts that were given as objects: of a file, a fixture, a benchmark.
//! Everything given is visible; nothing is asked of a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use tanso_carbon::RuleSet;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::stays::Stays;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::{CarbonReport, EnergyStudy, PowerMonitor};
use tanso_intensity::table::Table;

use super::books::no_services;
use super::placed::Nodes;
use super::{
    Answer, Books, Energy, EnergyAccount, EnergyHour, Facts, FactsFault, LeftOut, Listed,
    ListedWorkloads, Policy, PolicyKind, Schedule, Scope, Services, Site, WorkloadKey, site,
};

/// A ledger in which nothing is booked, and a cluster without services.
#[derive(Clone, Copy, Debug)]
pub struct EmptyBooks;

impl Books for EmptyBooks {
    fn energy<'a>(&'a self, _: &'a Scope, _: Period) -> Answer<'a, Energy> {
        Box::pin(std::future::ready(Ok(Energy::default())))
    }

    fn stays(&self) -> Answer<'_, Stays> {
        Box::pin(std::future::ready(Ok(Stays::default())))
    }

    fn services<'a>(&'a self, _: &'a Policy) -> Answer<'a, Services> {
        Box::pin(std::future::ready(Ok(Services::default())))
    }
}

/// Objects, as a cluster would have them.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Now.
    pub now: Timestamp,
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// Policies of both kinds.
    pub policies: Vec<Policy>,
    /// What of policies, their pages, monitors and studies cannot be read.
    pub unreadable: Vec<LeftOut>,
    /// Pages by the UID of their policy.
    pub reports: BTreeMap<String, Arc<Vec<CarbonReport>>>,
    /// The workloads of those pages, by the UID of their policy.
    pub workloads: BTreeMap<String, Arc<Vec<WorkloadResult>>>,
    /// Monitors.
    pub monitors: Vec<PowerMonitor>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Where nodes were before, also those that are gone.
    pub stays: Stays,
    /// What was booked; `None` for a ledger out of reach.
    pub energy: Option<Energy>,
    /// Tables by the UID of the policy that names them.
    pub tables: BTreeMap<String, Table>,
    /// Tables of other zones by their zone.
    pub zone_tables: BTreeMap<String, Result<Table, String>>,
    /// Studies that run on the cluster.
    pub studies: Vec<EnergyStudy>,
    /// Schedules by namespace and name of the `CronJob`.
    pub schedules: BTreeMap<(String, String), Schedule>,
}

impl Given {
    /// Adds the pages of a policy, and their workloads.
    pub fn add_reports(&mut self, uid: &str, pages: Vec<CarbonReport>) {
        let workloads = pages
            .iter()
            .flat_map(|page| page.spec.workloads.iter().cloned());
        self.workloads
            .insert(uid.to_owned(), Arc::new(workloads.collect()));
        self.reports.insert(uid.to_owned(), Arc::new(pages));
    }

    fn left_out(&self, kinds: &[&str], scope: &Scope) -> Vec<LeftOut> {
        let is_in = |one: &&LeftOut| {
            let place = one.namespace.as_deref();
            kinds.contains(&&*one.kind) && place.is_none_or(|name| scope.holds(name))
        };
        self.unreadable.iter().filter(is_in).cloned().collect()
    }

    fn booked(&self, scope: &Scope, period: Period) -> Result<Energy, FactsFault> {
        let energy = self.energy.as_ref().ok_or_else(no_ledger)?;
        let rows = energy.rows.iter();
        let rows =
            rows.filter(|row| period.contains(row.hour) && scope.holds_account(&row.account));
        Ok(Energy {
            revision: energy.revision,
            rows: rows.cloned().collect(),
        })
    }
}

fn no_ledger() -> FactsFault {
    FactsFault::Absent {
        what: "energy by the hour",
        reason: "no ledger is given".to_owned(),
    }
}

fn ready<'a, T: Send + 'a>(value: Result<T, FactsFault>) -> Answer<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Facts for Given {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn rules(&self) -> Answer<'_, Arc<RuleSet>> {
        ready(Ok(Arc::clone(&self.rules)))
    }

    fn policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Vec<Policy>> {
        let is_in = |policy: &&Policy| match &policy.namespace {
            Some(namespace) => scope.holds(namespace),
            None => true,
        };
        ready(Ok(self.policies.iter().filter(is_in).cloned().collect()))
    }

    fn listed_policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Listed<Policy>> {
        const KINDS: [&str; 2] = [
            PolicyKind::CarbonPolicy.as_str(),
            PolicyKind::ClusterCarbonPolicy.as_str(),
        ];
        Box::pin(async move {
            Ok(Listed {
                items: self.policies(scope).await?,
                unreadable: self.left_out(&KINDS, scope),
            })
        })
    }

    fn workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<WorkloadResult>>> {
        let known = self.workloads.get(&policy.uid).cloned();
        ready(Ok(
            known.unwrap_or_else(|| Arc::new(policy.status.workloads.clone()))
        ))
    }

    fn listed_workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, ListedWorkloads> {
        let is_its = |page: &&LeftOut| {
            page.kind == "CarbonReport" && policy.status.reports.contains(&page.name)
        };
        let unreadable = self.unreadable.iter().filter(is_its).cloned().collect();
        Box::pin(async move {
            Ok(ListedWorkloads {
                workloads: self.workloads(policy).await?,
                unreadable,
            })
        })
    }

    fn reports<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<CarbonReport>>> {
        ready(Ok(self
            .reports
            .get(&policy.uid)
            .cloned()
            .unwrap_or_default()))
    }

    fn monitors(&self) -> Answer<'_, Vec<PowerMonitor>> {
        ready(Ok(self.monitors.clone()))
    }

    fn listed_monitors(&self) -> Answer<'_, Listed<PowerMonitor>> {
        ready(Ok(Listed {
            items: self.monitors.clone(),
            unreadable: self.left_out(&["PowerMonitor"], &Scope::All),
        }))
    }

    fn nodes(&self) -> Answer<'_, Vec<Node>> {
        ready(Ok(self.nodes.clone()))
    }

    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        ready(self.booked(scope, period))
    }

    fn energy_of<'a>(&'a self, workload: &'a WorkloadKey, period: Period) -> Answer<'a, Energy> {
        let is_its = |row: &&EnergyHour| {
            period.contains(row.hour)
                && matches!(&row.account, EnergyAccount::Workload(key) if **key == *workload)
        };
        let found = self.energy.as_ref().map(|energy| Energy {
            revision: energy.revision,
            rows: energy.rows.iter().filter(is_its).cloned().collect(),
        });
        ready(found.ok_or_else(no_ledger))
    }

    fn site<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Site> {
        let table = self.tables.get(&policy.uid).cloned().map(Ok);
        let market = policy.spec.accounting.market.as_ref();
        let contracts = market.and_then(|market| market.contracts.as_ref());
        let contracts = contracts.map(|_| Err("no contracts are given".to_owned()));
        let services = no_services(policy, "no services are given");
        ready(site::site(
            policy,
            (table.as_ref(), contracts.as_ref(), &self.zone_tables),
            &services,
            Nodes {
                now: &self.nodes,
                before: Ok(&self.stays),
                hour: UtcHour::containing(self.now),
            },
            self.now,
        ))
    }

    fn studies(&self) -> Answer<'_, Vec<EnergyStudy>> {
        ready(Ok(self.studies.clone()))
    }

    fn listed_studies(&self) -> Answer<'_, Listed<EnergyStudy>> {
        ready(Ok(Listed {
            items: self.studies.clone(),
            unreadable: self.left_out(&["EnergyStudy"], &Scope::All),
        }))
    }

    fn schedule<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<Schedule>> {
        let key = (namespace.to_owned(), name.to_owned());
        ready(Ok(self.schedules.get(&key).cloned()))
    }
}
