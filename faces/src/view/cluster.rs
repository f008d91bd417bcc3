//! The facts of a real cluster, by a kube client: as the caller whose
//! credentials the client has, or as one about whom the API server is asked.

mod kept;
mod lists;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::Client;
use kube::api::{Api, ListParams};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::stays::Stays;
use tanso_carbon::{Preset, RuleSet};
use tanso_crds::carbon_policy::Placement;
use tanso_crds::carbon_policy::status::WorkloadResult;
use tanso_crds::cluster_carbon_policy::ClusterCarbonPolicy;
use tanso_crds::{CarbonPolicy, CarbonReport, EnergyStudy, PowerMonitor};
use tanso_intensity::table::Table;

pub(crate) use kept::KEPT;
use kept::{Kept, kept};

use super::access::{Access, Ask};
use super::books::Books;
use super::changes::changes;
use super::pages::{Pages, list_all};
use super::placed::Nodes;
use super::{
    Answer, Energy, Facts, FactsFault, Listed, ListedWorkloads, NewestHour, Policy, Schedule,
    Scope, Site, Summing, Sums, WorkloadKey, rules, site,
};

/// Label of `ConfigMaps` in the operator's namespace that hold rules.
const RULES_LABEL: &str = "tanso.dev/regulations=true";

/// The clock of whoever serves.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Reads a cluster by one client and keeps the pages it has read; shared by
/// all callers whom it serves.
#[derive(Clone)]
pub struct Reader {
    client: Client,
    namespace: String,
    books: Arc<dyn Books>,
    pages: Pages,
    namespaced: Kept<Listed<Policy>>,
    cluster_wide: Kept<Listed<Policy>>,
    rules: Kept<Vec<Preset>>,
    clock: Clock,
}

impl Reader {
    /// Reads by `client` a cluster whose operator is in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, books: Arc<dyn Books>) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            books,
            pages: Pages::default(),
            namespaced: Kept::default(),
            cluster_wide: Kept::default(),
            rules: Kept::default(),
            clock: Arc::new(Timestamp::now),
        }
    }

    /// The operator's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The facts as somebody sees them.
    #[must_use]
    pub fn seen_by(&self, access: Access) -> KubeFacts {
        KubeFacts {
            reader: self.clone(),
            access,
        }
    }
}

/// The facts of a cluster as one caller sees them.
#[derive(Clone)]
pub struct KubeFacts {
    reader: Reader,
    access: Access,
}

impl std::fmt::Debug for KubeFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let access = &self.access;
        f.debug_struct("KubeFacts")
            .field("access", access)
            .finish_non_exhaustive()
    }
}

impl KubeFacts {
    fn client(&self) -> Client {
        self.reader.client.clone()
    }

    /// The namespace in which a policy keeps what belongs to it.
    fn home<'a>(&'a self, policy: &'a Policy) -> &'a str {
        policy
            .namespace
            .as_deref()
            .unwrap_or(&self.reader.namespace)
    }

    async fn pages(&self, policy: &Policy) -> Result<Arc<Vec<CarbonReport>>, FactsFault> {
        let home = self.home(policy);
        let may = self
            .access
            .may(&Ask::list("carbonreports", Some(home)))
            .await?;
        if policy.status.reports.is_empty() || !may {
            return Ok(Arc::default());
        }
        match self.reader.pages.of(self.client(), home, policy).await {
            Err(fault) if fault.is_forbidden() => Ok(Arc::default()),
            found => {
                let read = found?;
                match read.unreadable.first() {
                    Some(page) => Err(FactsFault::Broken {
                        what: page.title(),
                        reason: page.why(),
                    }),
                    None => Ok(Arc::new(read.pages())),
                }
            }
        }
    }

    async fn judged(&self, policy: &Policy) -> Result<ListedWorkloads, FactsFault> {
        let mut unreadable = Vec::new();
        if policy.status.workloads_not_listed > 0 {
            let home = self.home(policy);
            let may = self
                .access
                .may(&Ask::list("carbonreports", Some(home)))
                .await?;
            if may && !policy.status.reports.is_empty() {
                match self.reader.pages.of(self.client(), home, policy).await {
                    Ok(read) if read.is_whole => return Ok(read.workloads.into()),
                    Ok(read) => unreadable = read.unreadable,
                    Err(fault) if !fault.is_forbidden() => return Err(fault),
                    Err(_) => {}
                }
            }
        }
        Ok(ListedWorkloads {
            workloads: Arc::new(policy.status.workloads.clone()),
            unreadable,
        })
    }

    async fn all_rules(&self) -> Result<Arc<RuleSet>, FactsFault> {
        let bundled = rules::bundled()?;
        let ask = Ask {
            verb: "list",
            group: "",
            resource: "configmaps",
            namespace: Some(&self.reader.namespace),
        };
        if !self.access.may(&ask).await? {
            return Ok(bundled);
        }
        let own = kept(&self.reader.rules, async {
            let api: Api<ConfigMap> = Api::namespaced(self.client(), &self.reader.namespace);
            let params = ListParams::default().labels(RULES_LABEL).limit(100);
            Ok(rules::presets(list_all(&api, params, "rule files").await?))
        });
        let own = match own.await {
            Ok(own) => own,
            Err(fault) if fault.is_forbidden() => Arc::default(),
            Err(fault) => return Err(fault),
        };
        if own.is_empty() {
            return Ok(bundled);
        }
        let mut all = RuleSet::clone(&bundled);
        own.iter().for_each(|preset| all.insert(preset.clone()));
        Ok(Arc::new(all))
    }

    async fn table(&self, policy: &Policy) -> Result<Option<Result<Table, String>>, FactsFault> {
        let Some(named) = policy.spec.intensity.table.as_ref() else {
            return Ok(None);
        };
        self.key_of(policy, &named.config_map, &named.key)
            .await
            .map(Some)
    }

    /// The tables of other zones that a policy names.
    async fn zone_tables(
        &self,
        policy: &Policy,
    ) -> Result<BTreeMap<String, Result<Table, String>>, FactsFault> {
        let mut tables = BTreeMap::new();
        for named in &policy.spec.intensity.zone_tables {
            let table = self.key_of(policy, &named.config_map, &named.key).await?;
            tables.insert(named.zone.clone(), table);
        }
        Ok(tables)
    }

    /// The contracts that a policy names.
    async fn contracts(
        &self,
        policy: &Policy,
    ) -> Result<Option<Result<Table, String>>, FactsFault> {
        let market = policy.spec.accounting.market.as_ref();
        let Some(named) = market.and_then(|market| market.contracts.as_ref()) else {
            return Ok(None);
        };
        self.key_of(policy, &named.config_map, &named.key)
            .await
            .map(Some)
    }

    /// A key of a `ConfigMap` of a policy, or why there is none.
    async fn key_of(
        &self,
        policy: &Policy,
        name: &str,
        key: &str,
    ) -> Result<Result<Table, String>, FactsFault> {
        let home = self.home(policy);
        let api: Api<ConfigMap> = Api::namespaced(self.client(), home);
        let found = match api.get_opt(name).await {
            Ok(found) => found,
            Err(error) => {
                let fault = FactsFault::of(format!("reading ConfigMap \"{name}\""), &error);
                return Ok(Err(fault.to_string()));
            }
        };
        let text = found.and_then(|found| found.data?.remove(key));
        let file = format!("{name}/{key}");
        Ok(text.map_or_else(
            || {
                Err(format!(
                    "ConfigMap \"{name}\" in namespace \"{home}\" has no key \"{key}\""
                ))
            },
            |text| Ok(Table { file, text }),
        ))
    }

    async fn site_of(&self, policy: &Policy) -> Result<Site, FactsFault> {
        let (table, contracts) = (self.table(policy).await?, self.contracts(policy).await?);
        let zones = self.zone_tables(policy).await?;
        let services = self.reader.books.services(policy).await?;
        let nodes = match policy.spec.site.placement {
            Placement::Site if policy.spec.accounting.hardware.is_none() => Vec::new(),
            // Where the policy's energy was used is part of the policy, so no right is asked for.
            Placement::Site | Placement::NodeRegion => self.all_nodes().await?,
        };
        let before = match policy.spec.site.placement {
            Placement::Site if policy.spec.accounting.hardware.is_none() => Ok(Stays::default()),
            // Without it all that is of now is known still.
            Placement::Site | Placement::NodeRegion => self.reader.books.stays().await,
        };
        let now = (self.reader.clock)();
        site::site(
            policy,
            (table.as_ref(), contracts.as_ref(), &zones),
            &services,
            Nodes {
                now: &nodes,
                before: before.as_ref(),
                hour: UtcHour::containing(now),
            },
            now,
        )
    }

    async fn may_read_energy(&self, scope: &Scope) -> Result<(), FactsFault> {
        let namespace = match scope {
            Scope::All => None,
            Scope::Namespace(name) => Some(name.as_str()),
        };
        let ask = Ask::list("carbonreports", namespace);
        if scope.is_proper() && self.access.may(&ask).await? {
            return Ok(());
        }
        Err(FactsFault::Absent {
            what: "energy by the hour",
            reason: "it needs the right to list carbonreports there".to_owned(),
        })
    }

    async fn all_nodes(&self) -> Result<Vec<Node>, FactsFault> {
        let api: Api<Node> = Api::all(self.client());
        list_all(&api, ListParams::default().limit(500), "nodes").await
    }
}

impl Facts for KubeFacts {
    fn now(&self) -> Timestamp {
        (self.reader.clock)()
    }

    fn rules(&self) -> Answer<'_, Arc<RuleSet>> {
        Box::pin(self.all_rules())
    }

    fn policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Vec<Policy>> {
        Box::pin(async move { Ok(self.listed_policies(scope).await?.items) })
    }

    fn listed_policies<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Listed<Policy>> {
        Box::pin(async move {
            let (found, wide) = futures::try_join!(self.namespaced(scope), self.cluster_wide())?;
            let mut found = found.and(wide);
            found.items.sort_by(|a, b| {
                (a.kind, &a.namespace, &a.name).cmp(&(b.kind, &b.namespace, &b.name))
            });
            found.unreadable.sort();
            Ok(found)
        })
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let namespaced = changes(Api::<CarbonPolicy>::all(self.client()));
        let wide = changes(Api::<ClusterCarbonPolicy>::all(self.client()));
        Box::pin(stream::select(Box::pin(namespaced), Box::pin(wide)))
    }

    fn workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<WorkloadResult>>> {
        Box::pin(async move { Ok(self.judged(policy).await?.workloads) })
    }

    fn listed_workloads<'a>(&'a self, policy: &'a Policy) -> Answer<'a, ListedWorkloads> {
        Box::pin(self.judged(policy))
    }

    fn reports<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Arc<Vec<CarbonReport>>> {
        Box::pin(self.pages(policy))
    }

    fn monitors(&self) -> Answer<'_, Vec<PowerMonitor>> {
        Box::pin(async move { Ok(self.all_monitors().await?.items) })
    }

    fn listed_monitors(&self) -> Answer<'_, Listed<PowerMonitor>> {
        Box::pin(self.all_monitors())
    }

    fn nodes(&self) -> Answer<'_, Vec<Node>> {
        Box::pin(async move {
            let ask = Ask {
                verb: "list",
                group: "",
                resource: "nodes",
                namespace: None,
            };
            if !self.access.may(&ask).await? {
                return Ok(Vec::new());
            }
            match self.all_nodes().await {
                Err(fault) if fault.is_forbidden() => Ok(Vec::new()),
                found => found,
            }
        })
    }

    fn energy<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, Energy> {
        Box::pin(async move {
            self.may_read_energy(scope).await?;
            self.reader.books.energy(scope, period).await
        })
    }

    fn energy_of<'a>(&'a self, workload: &'a WorkloadKey, period: Period) -> Answer<'a, Energy> {
        Box::pin(async move {
            self.may_read_energy(&Scope::Namespace(workload.namespace.clone()))
                .await?;
            self.reader.books.energy_of(workload, period).await
        })
    }

    fn newest<'a>(&'a self, scope: &'a Scope, period: Period) -> Answer<'a, NewestHour> {
        Box::pin(async move {
            self.may_read_energy(scope).await?;
            self.reader.books.newest(scope, period).await
        })
    }

    fn may_read_hours<'a>(&'a self, scope: &'a Scope) -> Answer<'a, ()> {
        Box::pin(self.may_read_energy(scope))
    }

    fn sums<'a>(
        &'a self,
        scope: &'a Scope,
        period: Period,
        summing: &'a Summing,
    ) -> Answer<'a, Sums> {
        Box::pin(async move {
            self.may_read_energy(scope).await?;
            self.reader.books.sums(scope, period, summing).await
        })
    }

    fn site<'a>(&'a self, policy: &'a Policy) -> Answer<'a, Site> {
        Box::pin(self.site_of(policy))
    }

    fn studies(&self) -> Answer<'_, Vec<EnergyStudy>> {
        Box::pin(async move { Ok(self.all_studies().await?.items) })
    }

    fn listed_studies(&self) -> Answer<'_, Listed<EnergyStudy>> {
        Box::pin(self.all_studies())
    }

    fn schedule<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<Schedule>> {
        Box::pin(async move {
            let ask = Ask {
                verb: "list",
                group: "batch",
                resource: "cronjobs",
                namespace: Some(namespace),
            };
            if !self.access.may(&ask).await? {
                return Ok(None);
            }
            // The operator may list CronJobs, not get them.
            let api: Api<CronJob> = Api::namespaced(self.client(), namespace);
            let params = ListParams::default().fields(&format!("metadata.name={name}"));
            let found = match list_all(&api, params, "cronjobs").await {
                Err(fault) if fault.is_forbidden() => return Ok(None),
                found => found?,
            };
            let spec = found.into_iter().next().and_then(|job| job.spec);
            Ok(spec.map(|spec| Schedule {
                schedule: spec.schedule,
                time_zone: spec.time_zone,
            }))
        })
    }
}
