//! Power of parts that no server curve tells apart: memory and accelerators.

use serde::Serialize;

use super::{Row, curve_fault};

/// Watts per gigabyte of memory, by source.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryFigure {
    /// Who says it.
    pub source: String,
    /// What it was said of.
    pub scope: String,
    /// Watts per gigabyte.
    pub w_per_gb: f64,
}

/// An accelerator board's power.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accelerator {
    /// Board name.
    pub name: String,
    /// Board power limit, watts.
    pub tdp_w: f64,
    /// Watts at 0, 10, 50 and 100 % load, where anyone says them; scaled from
    /// processors, not measured.
    pub watts: Option<[f64; 4]>,
}

pub(super) fn memory(row: &Row) -> Result<MemoryFigure, String> {
    let w_per_gb = row.number("w_per_gb")?;
    if !(0.02..=2.0).contains(&w_per_gb) {
        return Err(format!("w_per_gb is {w_per_gb}; accepted is 0.02 to 2"));
    }
    Ok(MemoryFigure {
        source: row.text("source")?,
        scope: row.get("scope").unwrap_or_default().to_owned(),
        w_per_gb,
    })
}

pub(super) fn accelerator(row: &Row) -> Result<Accelerator, String> {
    let tdp_w = row.positive("tdp_w")?;
    let watts = row
        .get("w_0")
        .map(|_| row.watts("", [0, 10, 50, 100]))
        .transpose()?;
    if let Some(watts) = watts {
        if let Some(fault) = curve_fault(&watts) {
            return Err(fault);
        }
        if watts[3] > 1.5 * tdp_w {
            return Err(format!(
                "{} W at full load, over 1.5 times its limit of {tdp_w} W",
                watts[3]
            ));
        }
    }
    Ok(Accelerator {
        name: row.text("gpu")?,
        tdp_w,
        watts,
    })
}
