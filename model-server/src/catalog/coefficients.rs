//! Published watts per hardware thread by microarchitecture.

use super::{Row, curve_fault};

/// One published pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficient {
    /// Who published it.
    pub source: String,
    /// Microarchitecture.
    pub microarch: String,
    /// Watts per thread when idle.
    pub idle_w: f64,
    /// Watts per thread at full load.
    pub full_w: f64,
}

pub(super) fn name(row: &Row) -> Option<String> {
    Some(format!(
        "{} {}",
        row.get("source")?,
        row.get("architecture")?
    ))
}

pub(super) fn coefficient(row: &Row) -> Result<Coefficient, String> {
    let (source, architecture) = (row.text("source")?, row.text("architecture")?);
    if source.starts_with("ccf") {
        if architecture == "EPYC 5th Gen" {
            return Err(
                "its publisher's pattern matches every machine in the table, of any family"
                    .to_owned(),
            );
        }
        if architecture.starts_with("Graviton") {
            return Err("a copy of EPYC 2nd Gen, not a measurement".to_owned());
        }
    }
    let (idle_w, full_w) = (
        row.number("min_w_per_thread")?,
        row.number("max_w_per_thread")?,
    );
    if let Some(fault) = curve_fault(&[idle_w, full_w]) {
        return Err(fault);
    }
    Ok(Coefficient {
        source,
        microarch: row.text("microarch")?,
        idle_w,
        full_w,
    })
}
