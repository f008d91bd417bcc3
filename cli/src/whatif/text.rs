//! A report for people. Computes nothing.

use std::io::{self, Write};

use tanso_carbon::whatif::{Facility, Report, Sums};
use tanso_carbon::{GramsCo2e, Metering, Period};
use tanso_power::{Estimate, Joules};

use crate::table::{Align, Table};

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let period = report.period;
    writeln!(
        out,
        "{} to {} ({} hours, {:.1} % with energy)",
        period.from, period.until, report.hours, report.coverage_percent
    )?;
    for info in &report.intensities {
        match info.licence.as_str() {
            "" => writeln!(out, "intensity: {info}")?,
            licence => writeln!(out, "intensity: {info} ({licence})")?,
        }
    }
    totals(report, out)?;
    writeln!(out)?;
    write!(out, "{}", workloads(report))?;
    if !report.judgements.is_empty() {
        writeln!(out)?;
    }
    for judged in &report.judgements {
        let (rule, verdict) = (&judged.judgement.rule, judged.judgement.verdict);
        let message = &judged.judgement.message;
        writeln!(out, "{rule}: {verdict}: {message}")?;
        if judged.period != report.period {
            let Period { from, until } = judged.period;
            writeln!(
                out,
                "  over the rule's own period, {from} to {until}, {:.1} % with energy",
                judged.coverage_percent
            )?;
        }
    }
    writeln!(out, "\ninputs {}", report.inputs_digest)
}

fn totals(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let totals = &report.totals;
    let it = Joules::from_microjoules(totals.it_energy_microjoules.value).as_kwh_f64();
    let facility = Joules::from_microjoules(totals.facility_energy_microjoules.value).as_kwh_f64();
    writeln!(
        out,
        "energy: {it:.3} kWh metered, {facility:.3} kWh of the facility"
    )?;
    pue(report, out)?;
    writeln!(out, "emissions, location-based: {}", emitted(totals))?;
    if let Some(found) = totals.intensity_micrograms_per_kwh {
        let of_part = match Priced::of(totals) {
            Priced::Part => ", of the energy that has one",
            Priced::All | Priced::None => "",
        };
        writeln!(out, "effective intensity: {}{of_part}", effective(found))?;
    }
    if let Some(market) = &report.market {
        let emissions = market.emissions.map(GramsCo2e::nanograms);
        writeln!(
            out,
            "emissions, market-based: {} (contracts cover {:.1} %, {}{})",
            grams(emissions),
            market.covered_percent(),
            market.matching.in_words(),
            residual(report)
        )?;
    }
    beside(report, out)?;
    write!(
        out,
        "{:.1} % measured, {:.1} % modelled, {:.1} % simulated",
        totals.measured_percent, totals.modelled_percent, totals.simulated_percent
    )?;
    if totals.unknown_provenance_percent > 0.0 {
        let unknown = totals.unknown_provenance_percent;
        write!(out, ", {unknown:.1} % of unknown provenance")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "estimated {:.1} %, filled {:.1} %, without intensity {:.1} % of the energy",
        totals.estimated_percent, totals.filled_percent, totals.unpriced_percent
    )
}

/// How many PUEs are told; a table may have one an hour.
const PUES_SHOWN: usize = 8;

/// What facility energy is computed by: each PUE with who stands for it.
fn pue(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if report.metering == Metering::Facility {
        return writeln!(
            out,
            "PUE: not applied, the energy was metered at the facility"
        );
    }
    for Facility { zone, pue } in report.facilities.iter().take(PUES_SHOWN) {
        match pue {
            Some(pue) => {
                let (scope, source) = (pue.scope, &pue.source);
                writeln!(out, "PUE in {zone}: {pue}, {scope} ({source})")?;
            }
            None => writeln!(
                out,
                "PUE in {zone}: none is given, so its energy is that of the IT equipment alone"
            )?,
        }
    }
    match report.facilities.len().saturating_sub(PUES_SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "and {more} more PUEs (-o json has all)"),
    }
}

/// `; residual mix 480.0 gCO2eq/kWh, --residual`.
fn residual(report: &Report) -> String {
    report.residual.as_ref().map_or_else(String::new, |mix| {
        format!("; residual mix {}, {}", mix.intensity.value, mix.source)
    })
}

/// What stands beside the sums.
fn beside(report: &Report, out: &mut impl Write) -> io::Result<()> {
    if let Some(changed) = &report.consequence {
        let Estimate { low, value, high } = changed.emissions;
        let unpriced = changed.unpriced.as_kwh_f64();
        write!(out, "changed at the margin: {value}")?;
        if low != high {
            write!(out, " ({low} to {high})")?;
        }
        write!(out, ", {unpriced:.3} kWh without such a figure")?;
        match &report.marginal {
            Some(info) => writeln!(out, "; {info}")?,
            None => writeln!(out)?,
        }
    }
    if let Some(sci) = &report.sci {
        let per = sci.grams_per_unit;
        writeln!(
            out,
            "software carbon intensity: {:.6} gCO2eq per {} ({:.6} to {:.6}): ({} + {} embodied) / {}",
            per.value,
            sci.unit,
            per.low,
            per.high,
            sci.operational.value,
            sci.embodied.value,
            sci.units
        )?;
    }
    if let Some(missing) = &report.sci_missing {
        writeln!(out, "software carbon intensity: not known: {missing}")?;
    }
    for (account, energy) in &report.unallocated_microjoules {
        let energy = Joules::from_microjoules(*energy).as_kwh_f64();
        writeln!(out, "not in the sums: {account}, {energy:.3} kWh")?;
    }
    Ok(())
}

/// `412 g`, with bounds where there are any.
fn grams(bounds: Estimate<u128>) -> String {
    let Estimate { low, value, high } = bounds.map(GramsCo2e::from_nanograms);
    if low == high {
        value.to_string()
    } else {
        format!("{value} ({low} to {high})")
    }
}

/// What was emitted: a lower bound where part of the energy has no intensity,
/// since what that part emitted is not known.
fn emitted(sums: &Sums) -> String {
    let known = grams(sums.emissions_nanograms);
    let unpriced = Joules::from_microjoules(sums.unpriced_microjoules).as_kwh_f64();
    let percent = sums.unpriced_percent;
    match Priced::of(sums) {
        Priced::All => known,
        Priced::Part => format!(
            "at least {known}, and what {unpriced:.3} kWh ({percent:.1} %) emitted that have no intensity: no upper bound is known"
        ),
        Priced::None => format!("not known: {unpriced:.3} kWh, and none has an intensity"),
    }
}

/// How much of the energy has an intensity.
#[derive(Clone, Copy)]
enum Priced {
    All,
    Part,
    None,
}

impl Priced {
    fn of(sums: &Sums) -> Self {
        match (sums.unpriced_microjoules, sums.intensity_micrograms_per_kwh) {
            (0, _) => Self::All,
            (_, Some(_)) => Self::Part,
            (_, None) => Self::None,
        }
    }
}

/// A workload's emissions as a cell, one word: `>=412g` where part of its
/// energy has no intensity, `-` where none has.
fn cell(sums: &Sums) -> String {
    let known = GramsCo2e::from_nanograms(sums.emissions_nanograms.value);
    let known = known.to_string().replace(' ', "");
    match Priced::of(sums) {
        Priced::All => known,
        Priced::Part => format!(">={known}"),
        Priced::None => "-".to_owned(),
    }
}

/// `400.0 gCO2eq/kWh (366.7 to 433.3)`, with bounds where there are any.
fn effective(found: Estimate<u32>) -> String {
    let value = one_place(found.value);
    bounds(found).map_or_else(
        || format!("{value} gCO2eq/kWh"),
        |[low, high]| format!("{value} gCO2eq/kWh ({low} to {high})"),
    )
}

/// The bounds as they are shown; `None` where they are the figure itself.
fn bounds(found: Estimate<u32>) -> Option<[String; 2]> {
    (found.low != found.high).then(|| [found.low, found.high].map(one_place))
}

/// Grams with one place, of micrograms.
fn one_place(micrograms: u32) -> String {
    format!("{:.1}", f64::from(micrograms) / 1e6)
}

/// A workload's intensity as a cell: `400.0`.
fn intensity(sums: &Sums) -> String {
    let found = sums.intensity_micrograms_per_kwh;
    found.map_or_else(|| "-".to_owned(), |found| one_place(found.value))
}

/// Its bounds as a cell, one word: `366.7..433.3`.
fn span(sums: &Sums) -> Option<String> {
    let [low, high] = bounds(sums.intensity_micrograms_per_kwh?)?;
    Some(format!("{low}..{high}"))
}

/// Bounds have a column where any workload has them.
fn workloads(report: &Report) -> Table {
    let mut columns = vec![
        ("WORKLOAD", Align::Left),
        ("KWH", Align::Right),
        ("EMISSIONS", Align::Right),
        ("GCO2EQ/KWH", Align::Right),
    ];
    let has_bounds = report.workloads.iter().any(|one| span(&one.sums).is_some());
    if has_bounds {
        columns.push(("BOUNDS", Align::Right));
    }
    let mut table = Table::new(&columns);
    for one in &report.workloads {
        let energy = Joules::from_microjoules(one.sums.it_energy_microjoules.value);
        let mut cells = vec![
            one.workload.clone(),
            format!("{:.3}", energy.as_kwh_f64()),
            cell(&one.sums),
            intensity(&one.sums),
        ];
        if has_bounds {
            cells.push(span(&one.sums).unwrap_or_default());
        }
        table.push(cells);
    }
    table
}
