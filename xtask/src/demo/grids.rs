//! The same workloads by different grids: the same energy, the same PUE, and
//! grams that differ exactly as the grids do.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Policies that judge the same workloads by different grids.
pub const SAME_WORKLOADS: [&str; 3] = ["korea-year", "korea-hours", "germany-hours"];

/// A policy on the grid of `korea-hours` whose facility breaks the PUE rule.
const OLD_HALL: &str = "old-hall";

/// Microjoules of a kilowatt-hour.
const MICROJOULES_PER_KWH: f64 = 3.6e12;

/// What a policy says of its energy.
#[derive(Debug, PartialEq)]
struct Priced {
    energy_uj: i64,
    emissions_mg: i64,
    intensity_mg_per_kwh: i64,
    pue: f64,
}

impl Priced {
    fn of(policy: &Value, name: &str) -> Result<Self> {
        let totals = &policy["status"]["totals"];
        let number = |value: &Value, what: &str| {
            let found = value.as_i64();
            found.with_context(|| format!("policy {name} has no {what}: {}", policy["status"]))
        };
        let pue = policy["spec"]["site"]["pue"]["value"].as_f64();
        Ok(Self {
            energy_uj: number(&totals["energyMicrojoules"]["value"], "energy")?,
            emissions_mg: number(&totals["emissionsMilligrams"]["value"], "emissions")?,
            intensity_mg_per_kwh: number(&totals["intensityMilligramsPerKwh"], "intensity")?,
            pue: pue.with_context(|| format!("policy {name} has no PUE"))?,
        })
    }

    /// Energy times PUE times intensity, milligrams.
    #[expect(clippy::cast_precision_loss, reason = "compared to a milligram")]
    fn product_mg(&self) -> f64 {
        let kwh = self.energy_uj as f64 / MICROJOULES_PER_KWH;
        kwh * self.pue * self.intensity_mg_per_kwh as f64
    }

    /// Whether the grams are that product: to the milligram that is shown, and
    /// the half of a milligram per kilowatt-hour that the intensity is rounded by.
    #[expect(clippy::cast_precision_loss, reason = "compared to a milligram")]
    fn adds_up(&self) -> bool {
        let kwh = self.energy_uj as f64 / MICROJOULES_PER_KWH;
        let rounding = 0.5 + 0.5 * kwh * self.pue + 1e-6;
        (self.product_mg() - self.emissions_mg as f64).abs() <= rounding
    }
}

/// Fails unless the three policies are about the same energy and PUE on grids
/// that differ, each one's grams are energy times PUE times its intensity, and
/// each says so in its answer; and unless the fourth breaks the rule by its PUE.
///
/// # Errors
/// Names the policy and what it says.
pub fn judge(policies: &[Value]) -> Result<()> {
    let find = |name: &str| {
        let mut all = policies.iter();
        all.find(|object| object["metadata"]["name"] == name)
            .with_context(|| format!("policy {name}"))
    };
    let mut seen: Vec<(&str, Priced)> = Vec::new();
    for name in SAME_WORKLOADS {
        let policy = find(name)?;
        let priced = Priced::of(policy, name)?;
        if !priced.adds_up() {
            bail!(
                "policy {name} emits {} mg, and energy x PUE x intensity is {:.3} mg: {priced:?}",
                priced.emissions_mg,
                priced.product_mg()
            );
        }
        explained(policy, name, &priced)?;
        for (other, before) in &seen {
            if (before.energy_uj, before.pue) != (priced.energy_uj, priced.pue) {
                bail!(
                    "{other} and {name} are not about the same energy and PUE: {before:?}, {priced:?}"
                );
            }
            if before.intensity_mg_per_kwh == priced.intensity_mg_per_kwh {
                bail!("{other} and {name} have the same intensity: {priced:?}");
            }
        }
        seen.push((name, priced));
    }
    let old = find(OLD_HALL)?;
    let verdict = &old["status"]["verdict"];
    if verdict != "NonCompliant" {
        bail!("policy {OLD_HALL} is {verdict}, and its PUE is over the limit");
    }
    Ok(())
}

/// The answer names the grid's zone and each factor of the product.
fn explained(policy: &Value, name: &str, priced: &Priced) -> Result<()> {
    let status = &policy["status"];
    let answer = status["answer"].as_str().unwrap_or_default();
    let zone = status["intensity"]["zone"].as_str().unwrap_or("?");
    let grams = (priced.intensity_mg_per_kwh + 500) / 1_000;
    for part in [
        format!("x PUE {:.2} x {grams} gCO2eq/kWh", priced.pue),
        format!("Intensity: {zone} "),
    ] {
        if !answer.contains(&part) {
            bail!("policy {name} does not say {part:?}: {answer:?}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(name: &str, zone: &str, intensity_mg: i64, emissions_mg: i64) -> Value {
        let grams = (intensity_mg + 500) / 1_000;
        json!({
            "metadata": {"name": name},
            "spec": {"site": {"pue": {"value": 1.32}}},
            "status": {
                "verdict": "Compliant",
                "answer": format!("energy x PUE 1.32 x {grams} gCO2eq/kWh. Intensity: {zone} average."),
                "intensity": {"zone": zone},
                "totals": {
                    "energyMicrojoules": {"value": 360_000_000_000_i64},
                    "emissionsMilligrams": {"value": emissions_mg},
                    "intensityMilligramsPerKwh": intensity_mg,
                }
            }
        })
    }

    /// 0.1 kWh × 1.32.
    fn all() -> Vec<Value> {
        let mut old = policy("old-hall", "KR", 388_000, 56_260);
        old["status"]["verdict"] = json!("NonCompliant");
        vec![
            policy("korea-year", "KR", 417_300, 55_084),
            policy("korea-hours", "KR", 388_000, 51_216),
            policy("germany-hours", "DE", 398_000, 52_536),
            old,
        ]
    }

    #[test]
    fn the_same_energy_on_three_grids_adds_up() {
        judge(&all()).unwrap();
    }

    #[test]
    fn another_energy_pue_or_sum_and_a_missing_explanation_are_noticed() {
        let broken = |index: usize, change: &dyn Fn(&mut Value)| {
            let mut policies = all();
            change(&mut policies[index]);
            judge(&policies).unwrap_err().to_string()
        };
        let said = broken(1, &|policy| {
            policy["status"]["totals"]["emissionsMilligrams"]["value"] = json!(51_218);
        });
        assert!(said.contains("korea-hours emits 51218 mg"), "{said}");
        // The same product of another PUE: what the demo did before.
        let said = broken(1, &|policy| {
            policy["spec"]["site"]["pue"]["value"] = json!(1.45);
            policy["status"]["totals"]["emissionsMilligrams"]["value"] = json!(56_260);
            let answer = "x PUE 1.45 x 388 gCO2eq/kWh. Intensity: KR ";
            policy["status"]["answer"] = json!(answer);
        });
        assert!(said.contains("not about the same energy and PUE"), "{said}");
        let said = broken(2, &|policy| policy["status"]["answer"] = json!("dirty"));
        assert!(said.contains("germany-hours does not say"), "{said}");
        let said = broken(3, &|policy| {
            policy["status"]["verdict"] = json!("Compliant");
        });
        assert!(said.contains("old-hall is"), "{said}");
    }
}
