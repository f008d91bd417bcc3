//! One policy's table: its workloads, what is left of them, and its sums.
//!
//! Pure: statuses in, cells out.

use std::cmp::Reverse;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;
use tanso_crds::carbon_policy::status::{
    AccountEnergy, Bounded, Figures, PlaceFigures, PueFigure, Verdict, WorkloadResult,
};
use tanso_crds::condition::types;
use tanso_faces::answer::places;
use tanso_faces::pue;
use tanso_faces::report::Language;
use tanso_faces::words;

use super::Sort;
use crate::figures;
use crate::live::Power;
use crate::policies::{Kind, Policy};
use crate::table::{Align, Table};

/// What is shown of one policy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
    #[serde(skip)]
    title: String,
    #[serde(skip)]
    is_wide: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    window: String,
    zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pue: Option<PueFigure>,
    /// Where the energy was used, if not all of it at the site.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<PlaceFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_through: Option<Time>,
    /// Why there are no figures, or why they are old.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    workloads: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<Others>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Figures>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unallocated: Vec<AccountEnergy>,
}

/// A workload that is listed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    namespace: String,
    kind: String,
    name: String,
    pods: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    power_milliwatts: Option<i64>,
    verdict: Verdict,
    reason: String,
    figures: Figures,
}

/// The workloads that are not listed, together.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Others {
    count: i64,
    energy_microjoules: i64,
    emissions_milligrams: Bounded,
}

impl PolicyView {
    /// The view of a policy whose workloads are `workloads`, at most `limit`
    /// of them listed.
    #[must_use]
    pub fn new(
        policy: &Policy,
        workloads: Vec<WorkloadResult>,
        power: &Power,
        sort: Sort,
        limit: usize,
    ) -> Self {
        let known = workloads.len();
        let mut rows: Vec<Row> = workloads
            .into_iter()
            .map(|found| Row::new(found, power))
            .collect();
        rows.sort_by(|a, b| {
            Reverse(a.key(sort))
                .cmp(&Reverse(b.key(sort)))
                .then_with(|| a.label(true).cmp(&b.label(true)))
        });
        rows.truncate(limit);
        let all = i64::try_from(known).unwrap_or(i64::MAX).max(
            i64::try_from(policy.status.workloads.len())
                .unwrap_or(i64::MAX)
                .saturating_add(policy.status.workloads_not_listed),
        );
        let total = policy.status.totals.clone();
        Self {
            kind: policy.kind,
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            title: policy.title(),
            is_wide: false,
            verdict: policy.status.verdict,
            window: policy.spec.window.clone(),
            zone: policy.spec.site.zone.clone(),
            pue: pue::of(&policy.spec, &policy.status),
            places: match policy.status.places.as_slice() {
                all if places::is_elsewhere(all) => all.to_vec(),
                _ => Vec::new(),
            },
            data_through: policy.status.data_through.clone(),
            remark: remark(policy),
            others: total
                .as_ref()
                .and_then(|total| Others::new(total, &rows, all)),
            workloads: rows,
            total,
            unallocated: policy.status.unallocated.clone(),
        }
    }

    /// The same with more columns, or without them.
    #[must_use]
    pub fn widened(self, is_wide: bool) -> Self {
        Self { is_wide, ..self }
    }

    fn header(&self) -> String {
        let through = self
            .data_through
            .as_ref()
            .map_or(String::new(), |time| format!(" to {}", time.0));
        if let Some(told) = places::told(&self.places) {
            return format!(
                "{}: last {}{through}, used at {told}",
                self.title, self.window
            );
        }
        let pue = self.pue.as_ref().map_or("no PUE".to_owned(), |pue| {
            format!("PUE {}", pue::brief(pue, Language::English))
        });
        format!(
            "{}: last {}{through}, zone {}, {pue}",
            self.title, self.window, self.zone
        )
    }

    fn table(&self) -> Table {
        let mut columns = vec![
            ("WORKLOAD", Align::Left),
            ("PODS", Align::Right),
            ("POWER", Align::Right),
            ("ENERGY", Align::Right),
            ("CO2EQ", Align::Right),
            ("+-90%", Align::Right),
            ("SOURCE", Align::Left),
            ("VERDICT", Align::Left),
        ];
        if self.is_wide {
            columns.extend([
                ("G/KWH", Align::Right),
                ("COVERAGE", Align::Right),
                ("REASON", Align::Left),
            ]);
        }
        let mut table = Table::new(&columns);
        let qualified = self.kind == Kind::ClusterCarbonPolicy;
        for row in &self.workloads {
            let mut cells = row.cells(qualified);
            if self.is_wide {
                cells.extend(more(&row.figures));
                cells.push(row.reason.clone());
            }
            table.push(cells);
        }
        if let Some(others) = &self.others {
            table.push(others.cells());
        }
        if let Some(total) = &self.total {
            let mut cells = self.total_cells(total);
            if self.is_wide {
                cells.extend(more(total));
            }
            table.push(cells);
            self.push_nodes(&mut table, total);
        }
        table
    }

    fn total_cells(&self, total: &Figures) -> Vec<String> {
        let (pods, power) = if self.others.is_some() {
            (String::new(), String::new())
        } else {
            let pods: i64 = self.workloads.iter().map(|row| row.pods).sum();
            let known: Option<i64> = self.workloads.iter().map(|row| row.power_milliwatts).sum();
            (pods.to_string(), known.map_or(String::new(), watts))
        };
        let verdict = self.verdict.map_or("-", figures::verdict).to_owned();
        vec![
            "TOTAL".to_owned(),
            pods,
            power,
            figures::energy(total.energy_microjoules.value),
            figures::emitted(total),
            figures::emitted_spread(total),
            figures::source(total),
            verdict,
        ]
    }

    /// What the nodes used beside the workloads, and the sum of both: the
    /// ledger's.
    fn push_nodes(&self, table: &mut Table, total: &Figures) {
        if self.unallocated.is_empty() {
            return;
        }
        let energy_cells = |name: String, energy_uj: i64| {
            [
                name,
                String::new(),
                String::new(),
                figures::energy(energy_uj),
            ]
        };
        let mut all = total.energy_microjoules.value;
        for account in &self.unallocated {
            all = all.saturating_add(account.energy_microjoules);
            table.push(energy_cells(
                format!("({})", account.account),
                account.energy_microjoules,
            ));
        }
        table.push(energy_cells("NODES".to_owned(), all));
    }
}

impl fmt::Display for PolicyView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.header())?;
        if let Some(remark) = &self.remark {
            writeln!(f, "{remark}")?;
        }
        let table = self.table();
        if table.is_empty() {
            Ok(())
        } else {
            write!(f, "{table}")
        }
    }
}

/// What a reader must know before believing the figures.
fn remark(policy: &Policy) -> Option<String> {
    let said = |kind: &str, word: &str| {
        let found = policy
            .condition(kind)
            .filter(|condition| condition.status == "True")?;
        Some(format!("{word}: {}: {}", found.reason, found.message))
    };
    if let Some(stalled) = said(types::STALLED, "stalled") {
        return Some(stalled);
    }
    if policy.status.totals.is_some() {
        return None;
    }
    let ready = policy.condition(types::READY);
    Some(ready.map_or_else(
        || {
            "no figures yet: the operator has not visited this policy; see `kubectl tanso doctor`"
                .to_owned()
        },
        |condition| {
            format!(
                "no figures yet: {}: {}",
                condition.reason, condition.message
            )
        },
    ))
}

impl Row {
    fn new(found: WorkloadResult, power: &Power) -> Self {
        Self {
            power_milliwatts: power.of(&found.namespace, &found.kind, &found.name),
            namespace: found.namespace,
            kind: found.kind,
            name: found.name,
            pods: found.pods,
            verdict: found.verdict,
            reason: found.reason,
            figures: found.figures,
        }
    }

    fn key(&self, sort: Sort) -> i64 {
        match sort {
            Sort::Emissions => self.figures.emissions_milligrams.value,
            Sort::Energy => self.figures.energy_microjoules.value,
            Sort::Power => self.power_milliwatts.unwrap_or(-1),
        }
    }

    fn label(&self, qualified: bool) -> String {
        let label = format!("{}/{}", short_kind(&self.kind), self.name);
        if qualified {
            format!("{}:{label}", self.namespace)
        } else {
            label
        }
    }

    fn cells(&self, qualified: bool) -> Vec<String> {
        let mut cells = vec![
            self.label(qualified),
            self.pods.to_string(),
            self.power_milliwatts.map_or(String::new(), watts),
        ];
        if words::is_known(self.verdict, &self.figures) {
            cells.extend(self.known_cells());
        } else {
            cells.resize(cells.len() + 4, String::new());
        }
        cells.push(figures::verdict(self.verdict).to_owned());
        cells
    }

    fn known_cells(&self) -> [String; 4] {
        [
            figures::energy(self.figures.energy_microjoules.value),
            figures::emitted(&self.figures),
            figures::emitted_spread(&self.figures),
            figures::source(&self.figures),
        ]
    }
}

impl Others {
    /// What the total has beyond the rows; `None` if every workload is listed.
    fn new(total: &Figures, rows: &[Row], all: i64) -> Option<Self> {
        let count = all.saturating_sub(i64::try_from(rows.len()).unwrap_or(i64::MAX));
        if count <= 0 {
            return None;
        }
        let rest = |whole: i64, part: fn(&Figures) -> i64| {
            rows.iter()
                .fold(whole, |left, row| left.saturating_sub(part(&row.figures)))
        };
        let emissions = total.emissions_milligrams;
        Some(Self {
            count,
            energy_microjoules: rest(total.energy_microjoules.value, |row| {
                row.energy_microjoules.value
            }),
            emissions_milligrams: Bounded {
                low: rest(emissions.low, |row| row.emissions_milligrams.low),
                value: rest(emissions.value, |row| row.emissions_milligrams.value),
                high: rest(emissions.high, |row| row.emissions_milligrams.high),
            },
        })
    }

    fn cells(&self) -> Vec<String> {
        vec![
            format!("({}-more)", self.count),
            String::new(),
            String::new(),
            figures::energy(self.energy_microjoules),
            figures::emissions(self.emissions_milligrams.value),
            figures::spread(&self.emissions_milligrams),
        ]
    }
}

/// The effective intensity and the hours with data.
fn more(figures: &Figures) -> [String; 2] {
    let intensity = figures.intensity_milligrams_per_kwh;
    [
        intensity.map_or(String::new(), |one| {
            format!("{:.1}", figures::float(one) / 1e3)
        }),
        format!("{}%", figures.coverage_percent),
    ]
}

fn watts(power_mw: i64) -> String {
    figures::power(figures::float(power_mw) / 1e3)
}

/// The kind as `kubectl` shortens it.
fn short_kind(kind: &str) -> String {
    match kind {
        "Deployment" => "deploy".to_owned(),
        "StatefulSet" => "sts".to_owned(),
        "DaemonSet" => "ds".to_owned(),
        other => other.to_lowercase(),
    }
}
