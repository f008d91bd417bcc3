//! What must be refused, and what must stall, with which words.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::demo::{facts, session::Session};
use crate::progress::Step;

/// A spec that must be refused, and what the refusal must name.
struct Refused {
    what: &'static str,
    kind: &'static str,
    spec: &'static str,
    names: [&'static str; 3],
}

const REFUSED: [Refused; 5] = [
    Refused {
        what: "a PUE below 1",
        kind: "CarbonPolicy",
        spec: "{site: {zone: KR, pue: {value: 0.8}}, regulations: [{rule: kr-carbon-2050}]}",
        names: ["spec.site.pue.value", "0.8", "1.0 to 5.0"],
    },
    Refused {
        what: "an unknown zone",
        kind: "CarbonPolicy",
        spec: "{site: {zone: ATLANTIS}, regulations: [{rule: kr-carbon-2050}]}",
        names: ["spec.site.zone", "ATLANTIS", "KR, DE"],
    },
    Refused {
        what: "an interval longer than its window",
        kind: "CarbonPolicy",
        spec: "{site: {zone: KR}, regulations: [{rule: kr-carbon-2050}], interval: 48h, window: 24h}",
        names: ["interval 48h", "window 24h", "up to the window"],
    },
    Refused {
        what: "an unknown power source",
        kind: "PowerMonitor",
        spec: "{agent: {sources: [Rapl, Oracle]}}",
        names: ["spec.agent.sources[1]", "Oracle", "\"Rapl\", \"Perf\""],
    },
    Refused {
        what: "a table without source Table",
        kind: "CarbonPolicy",
        spec: "{site: {zone: KR}, regulations: [{rule: kr-carbon-2050}], intensity: {source: Bundled, table: {configMap: mine}}}",
        names: ["spec.intensity", "table", "needed with source Table"],
    },
];

/// Applies each bad spec and reads the refusal.
pub(super) fn bad_specs(session: &Session) -> Result<()> {
    session.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")?;
    for refused in &REFUSED {
        let namespace = if refused.kind == "PowerMonitor" {
            ""
        } else {
            ", namespace: shop"
        };
        let manifest = format!(
            "{{apiVersion: tanso.dev/v1alpha1, kind: {}, metadata: {{name: bad{namespace}}}, spec: {}}}",
            refused.kind, refused.spec
        );
        let Err(refusal) = session.apply(&manifest) else {
            bail!("{} was accepted", refused.what);
        };
        let words = format!("{refusal:#}");
        println!("        {}: {words}", refused.what);
        for name in refused.names {
            if !words.contains(name) {
                bail!(
                    "the refusal of {} does not name '{name}': {words}",
                    refused.what
                );
            }
        }
    }
    Ok(())
}

const BROKEN: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: my-grid, namespace: shop}
data:
  intensity.csv: |
    datetime_utc,gco2eq_per_kwh
    2026-01-01T00:00Z,410
    2026-01-01T01:00Z,4100
---
apiVersion: tanso.dev/v1alpha1
kind: CarbonPolicy
metadata: {name: broken-table, namespace: shop}
spec:
  interval: 10s
  site: {zone: X-MINE}
  intensity: {source: Table, table: {configMap: my-grid}}
  regulations: [{rule: kr-carbon-2050}]
---
apiVersion: tanso.dev/v1alpha1
kind: CarbonPolicy
metadata: {name: neighbour, namespace: shop}
spec:
  interval: 10s
  site: {zone: KR}
  evidence: {maxEstimatedPercent: 100}
  regulations: [{rule: kr-carbon-2050}]
";

/// A policy with a broken table stalls; its neighbour does not.
pub(super) fn broken_table(session: &Session) -> Result<()> {
    session.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")?;
    session.apply(BROKEN)?;
    let mut step = Step::new("a policy with a broken row in its table");
    let message = session.wait(&mut step, "Stalled", Duration::from_mins(5), |session| {
        let policy = session.json(&[
            "get",
            "carbonpolicy",
            "broken-table",
            "-n",
            "shop",
            "-o",
            "json",
        ])?;
        let conditions = policy["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let stalled = conditions
            .into_iter()
            .find(|c| c["type"] == "Stalled" && c["status"] == "True");
        Ok(stalled.and_then(|condition| condition["message"].as_str().map(str::to_owned)))
    })?;
    for name in ["my-grid/intensity.csv", "row 3", "4100"] {
        if !message.contains(name) {
            bail!("the message does not name '{name}': {message}");
        }
    }
    session.wait(
        &mut step,
        "its neighbour to be Ready",
        Duration::from_mins(5),
        |session| {
            let policy = session.json(&[
                "get",
                "carbonpolicy",
                "neighbour",
                "-n",
                "shop",
                "-o",
                "json",
            ])?;
            Ok(facts::condition_is(&policy, "Ready", "True").then_some(()))
        },
    )?;
    step.done(&format!("stalled with: {message}"));
    session.kubectl(&[
        "delete",
        "carbonpolicy",
        "broken-table",
        "neighbour",
        "-n",
        "shop",
    ])?;
    Ok(())
}
