//! What a software carbon intensity needs beside the energy: from columns of
//! the table or given beside it, each once. Never guesses the missing half.

use tanso_power::Estimate;

use super::{Inputs, Lines, WhatifError};
use crate::account::Account;
use crate::sci::{Sci, SciError, sci};
use crate::units::GramsCo2e;

/// What a software carbon intensity needs beside the energy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PerUnit {
    pub(super) units: Option<f64>,
    pub(super) embodied: Option<Estimate<GramsCo2e>>,
}

impl PerUnit {
    /// The sums of the table's columns.
    pub(super) fn of_lines(lines: &Lines<'_>) -> Self {
        let lines = || lines.0.iter().map(|(line, _)| line);
        let has_units = lines().any(|line| line.functional_units.is_some());
        let has_embodied = lines().any(|line| line.embodied.is_some());
        Self {
            units: has_units.then(|| lines().filter_map(|line| line.functional_units).sum()),
            embodied: has_embodied
                .then(|| Estimate::exact(lines().filter_map(|line| line.embodied).sum())),
        }
    }

    /// What the table has or the inputs give; each once.
    pub(super) fn of(inputs: &Inputs<'_>, lines: &Lines<'_>) -> Result<Self, WhatifError> {
        let table = Self::of_lines(lines);
        if table.units.is_some() && inputs.functional_units.is_some() {
            return Err(WhatifError::Twice("functional units"));
        }
        if table.embodied.is_some() && inputs.embodied.is_some() {
            return Err(WhatifError::Twice("embodied emissions"));
        }
        let found = Self {
            units: table.units.or(inputs.functional_units),
            embodied: table.embodied.or(inputs.embodied),
        };
        let half = |given, missing| Err(WhatifError::HalfOfSci { given, missing });
        match (found.units, found.embodied) {
            (Some(_), None) => half("functional units", "embodied emissions (0 if so)"),
            (None, Some(_)) => half("embodied emissions", "functional units"),
            _ => Ok(found),
        }
    }

    /// The figure, or why there is none; `None` if none was asked for.
    pub(super) fn of_account(self, sum: &Account, unit: &str) -> Option<Result<Sci, SciError>> {
        let (units, embodied) = self.units.zip(self.embodied)?;
        Some(sci(sum, embodied, units, unit))
    }

    /// As [`Self::of_account`]; a gap of the figures is told, a figure that
    /// was given wrongly is refused.
    pub(super) fn of_total(self, inputs: &Inputs<'_>, sum: &Account) -> Result<Told, WhatifError> {
        match self.of_account(sum, inputs.unit) {
            None => Ok(Told::default()),
            Some(Ok(sci)) => Ok(Told {
                sci: Some(sci),
                missing: None,
            }),
            Some(Err(fault @ SciError::Unpriced(_))) => Ok(Told::without(&fault)),
            // A column that adds up to nothing is a figure like any other.
            Some(Err(fault @ SciError::Units(_))) if inputs.functional_units.is_none() => {
                Ok(Told::without(&fault))
            }
            Some(Err(fault)) => Err(fault.into()),
        }
    }
}

/// A software carbon intensity, or why there is none.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) sci: Option<Sci>,
    pub(super) missing: Option<String>,
}

impl Told {
    fn without(fault: &SciError) -> Self {
        Self {
            sci: None,
            missing: Some(fault.to_string()),
        }
    }
}
