//! Accounts and judgements as a status shows them: the one place of their
//! rounding, for the operator's status and for every face; pure.

use tanso_carbon::account::Account;
use tanso_carbon::regulation::{Preset, Rule};
use tanso_carbon::verdict::{self, Judgement};
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_crds::carbon_policy::status::{Bounded, Figures, RegulationResult, Verdict};
use tanso_power::{Estimate, Joules, Provenance, apportion};

const NANOGRAMS_PER_MILLIGRAM: u128 = 1_000_000;
const MICROGRAMS_PER_MILLIGRAM: u32 = 1_000;

/// The verdict as the API names it.
#[must_use]
pub const fn verdict_of(verdict: verdict::Verdict) -> Verdict {
    match verdict {
        verdict::Verdict::Compliant => Verdict::Compliant,
        verdict::Verdict::NonCompliant => Verdict::NonCompliant,
        verdict::Verdict::Inconclusive => Verdict::Inconclusive,
        verdict::Verdict::Unknown => Verdict::Unknown,
        verdict::Verdict::NotYetBinding => Verdict::NotYetBinding,
    }
}

/// A figure with its bounds.
#[must_use]
pub fn bounded<T: Copy + PartialOrd>(figure: Estimate<T>, whole: impl Fn(T) -> i64) -> Bounded {
    Bounded {
        low: whole(figure.low),
        value: whole(figure.value),
        high: whole(figure.high),
    }
}

/// Milligrams, to the nearest.
#[must_use]
pub fn milligrams(mass: GramsCo2e) -> i64 {
    let rounded = (mass.nanograms() + NANOGRAMS_PER_MILLIGRAM / 2) / NANOGRAMS_PER_MILLIGRAM;
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// Microjoules, bounded to what the API holds.
#[must_use]
pub fn microjoules(energy: Joules) -> i64 {
    i64::try_from(energy.microjoules()).unwrap_or(i64::MAX)
}

/// Milligrams per kilowatt-hour, to the nearest.
#[must_use]
pub fn milligrams_per_kwh(intensity: Intensity) -> i64 {
    let micrograms = intensity.micrograms_per_kwh();
    i64::from(micrograms.saturating_add(MICROGRAMS_PER_MILLIGRAM / 2) / MICROGRAMS_PER_MILLIGRAM)
}

/// A whole number of a figure that is no count, to the nearest.
#[must_use]
pub fn nearest(figure: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and NaN becomes 0"
    )]
    let whole = figure.round() as i64;
    whole
}

/// A share in whole percent.
#[must_use]
pub fn percent(share: f64) -> i32 {
    i32::try_from(nearest(share)).unwrap_or(0).clamp(0, 100)
}

/// A share in whole percent of which nothing is missing where it says 100: an
/// hour that nobody saw is never rounded away.
#[must_use]
pub fn percent_seen(share: f64) -> i32 {
    let most = if share < 100.0 { 99 } else { 100 };
    percent(share).min(most)
}

/// The figures of an account.
#[must_use]
pub fn figures(account: &Account, cpu_ms: i64) -> Figures {
    let part = |provenance| {
        let energy = account.by_provenance.get(&provenance);
        energy.map_or(0, |energy| energy.microjoules())
    };
    // Split exactly, so that the shares add up to 100.
    let parts = Provenance::ALL.map(part);
    let mut shares = apportion(100, &parts).unwrap_or_else(|| vec![0; 3]);
    let simulated = account.by_provenance.get(&Provenance::Simulated);
    if simulated.is_some_and(|energy| *energy > Joules::ZERO) {
        say_simulated(&mut shares);
    }
    let share = |index: usize| {
        let share = shares
            .get(index)
            .and_then(|share| i32::try_from(*share).ok());
        share.unwrap_or(0)
    };
    let intensity = account.effective_intensity();
    let intensity = intensity.map(|found| found.map(milligrams_per_kwh));
    let bounds = intensity.filter(|found| found.low < found.high);
    Figures {
        energy_microjoules: bounded(account.it_energy, microjoules),
        emissions_milligrams: bounded(account.emissions, milligrams),
        unpriced_microjoules: microjoules(account.unpriced),
        intensity_milligrams_per_kwh: intensity.map(|found| found.value),
        intensity_low_milligrams_per_kwh: bounds.map(|found| found.low),
        intensity_high_milligrams_per_kwh: bounds.map(|found| found.high),
        cpu_milliseconds: cpu_ms,
        measured_percent: share(0),
        modelled_percent: share(1),
        simulated_percent: share(2),
        intensity_estimated_percent: percent(account.estimated_percent()),
        coverage_percent: percent_seen(account.coverage.percent()),
    }
}

/// A watt that was made up is never rounded away: the share of simulated energy
/// is at least one percent where there is any, taken from the largest.
fn say_simulated(shares: &mut [u64]) {
    let [measured, modelled, simulated] = shares else {
        return;
    };
    if *simulated == 0 {
        let largest = if measured > modelled {
            measured
        } else {
            modelled
        };
        *largest = largest.saturating_sub(1);
        *simulated = 1;
    }
}

/// The result of a rule. A preset with one rule in force goes by the id that
/// the spec names; of several, each by its own.
#[must_use]
pub fn regulation(preset: &Preset, rule: &Rule, judgement: &Judgement) -> RegulationResult {
    let milli = |figure: f64| nearest(figure * 1e3);
    let id = if preset.rules.len() == 1 {
        &preset.id
    } else {
        &rule.id
    };
    RegulationResult {
        rule: short(id, 63),
        kind: judgement.kind.as_str().to_owned(),
        verdict: verdict_of(judgement.verdict),
        reason: judgement.reason.as_str().to_owned(),
        message: short(&judgement.message, 512),
        limit_milli: judgement.limit.map(milli),
        value_milli: judgement.value.map(|value| bounded(value, milli)),
        unit: short(&judgement.unit, 63),
        source: short_of(&rule.citation(), 512, &format!("rule {id}")),
        pue_evidence: judgement
            .pue
            .as_ref()
            .map(|pue| format!("{:?}", pue.evidence)),
        pue_source: judgement
            .pue
            .as_ref()
            .map(|pue| short_of(&pue.source, 256, "spec.site.pue"))
            .filter(|source| !source.is_empty()),
        intensity_estimated_percent: judgement.estimated_percent.map(percent),
        places: Vec::new(),
    }
}

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// A text of at most so many letters; one that is cut ends with `…`.
#[must_use]
pub fn short(text: &str, letters: usize) -> String {
    short_of(text, letters, "")
}

/// The same of a text that is whole elsewhere: a cut one says where.
///
/// ```
/// use tanso_faces::answer::figures::short_of;
/// assert_eq!(short_of("five letters", 12, "spec.text"), "five letters");
/// assert_eq!(short_of("a sentence that is too long", 25, "spec.text"), "a sen… (whole: spec.text)");
/// ```
#[must_use]
pub fn short_of(text: &str, letters: usize, whole: &str) -> String {
    if text.chars().nth(letters).is_none() {
        return text.to_owned();
    }
    let mut end = CUT.to_string();
    if !whole.is_empty() {
        end.push_str(" (whole: ");
        end.push_str(whole);
        end.push(')');
    }
    // Where not even the place fits, the text goes before it.
    if end.chars().count() >= letters {
        end = CUT.to_string();
    }
    let left = letters.saturating_sub(end.chars().count());
    let kept: String = text.chars().take(left).collect();
    let cut = format!("{}{end}", kept.trim_end());
    cut.chars().take(letters).collect()
}

#[cfg(test)]
mod tests {
    use tanso_carbon::account::Coverage;

    use super::*;

    /// One hour of a month was missing, and the share read 100 %.
    #[test]
    fn a_missing_hour_is_said_however_many_there_are() {
        let share = |expected, with_data| {
            let sum = Account {
                coverage: Coverage::new(expected, with_data),
                ..Account::default()
            };
            figures(&sum, 0).coverage_percent
        };
        assert_eq!(share(720, 719), 99);
        assert_eq!(share(720, 720), 100);
        assert_eq!(share(200, 193), 97);
        assert_eq!(share(0, 0), 0);
    }

    /// Four watts of a thousand were made up, and the share read 0 %.
    #[test]
    fn a_simulated_watt_is_said_however_few_there_are() {
        let joules = Joules::from_microjoules;
        let sum = Account {
            it_energy: Estimate::exact(joules(1_000)),
            by_provenance: [
                (Provenance::Measured, joules(300)),
                (Provenance::Modelled, joules(699)),
                (Provenance::Simulated, joules(1)),
            ]
            .into(),
            ..Account::default()
        };
        let shares = |sum: &Account| {
            let found = figures(sum, 0);
            (
                found.measured_percent,
                found.modelled_percent,
                found.simulated_percent,
            )
        };
        assert_eq!(shares(&sum), (30, 69, 1));
        let none = Account {
            by_provenance: [(Provenance::Measured, joules(1_000))].into(),
            ..sum
        };
        assert_eq!(shares(&none), (100, 0, 0));
    }

    /// The mean intensity of a sum had no bounds beside it.
    #[test]
    fn an_intensity_that_is_not_known_exactly_has_its_bounds_beside_it() {
        use tanso_carbon::{
            Coverage, EnergyRow, Place, SeriesInfo, StaticIntensity, UtcHour, account,
        };

        let of = |low, value, high| {
            let grams = |grams| Intensity::try_from_grams_per_kwh(grams).unwrap();
            let info = SeriesInfo::average_life_cycle("KR", "policy");
            let figure = Estimate { low, value, high }.map(grams);
            let grid = StaticIntensity::new(info, figure);
            let row = EnergyRow {
                hour: UtcHour::from_unix_seconds(0),
                place: 0,
                energy: Estimate::exact(Joules::from_microjoules(3_600_000_000_000)),
                provenance: Provenance::Measured,
            };
            let sum = account(&[row], &[Place::new(&grid, None)], Coverage::new(1, 1));
            let found = figures(&sum, 0);
            [
                found.intensity_low_milligrams_per_kwh,
                found.intensity_milligrams_per_kwh,
                found.intensity_high_milligrams_per_kwh,
            ]
        };
        assert_eq!(
            of(390.0, 417.3, 440.0),
            [Some(390_000), Some(417_300), Some(440_000)]
        );
        assert_eq!(of(417.3, 417.3, 417.3), [None, Some(417_300), None]);
    }

    /// A sentence that was cut looked whole, and its end was what it said.
    #[test]
    fn a_text_that_is_cut_says_so_and_where_it_is_whole() {
        assert_eq!(short("초안이다", 4), "초안이다");
        assert_eq!(short("초안이다.", 4), "초안이…");
        assert_eq!(short("one two", 5), "one…");
        let long = "x".repeat(300);
        let cut = short_of(&long, 64, "spec.site.pue");
        assert_eq!(cut.chars().count(), 64);
        assert!(cut.ends_with("x… (whole: spec.site.pue)"), "{cut}");
        // Never longer than the API takes, whatever the place is called.
        assert_eq!(short_of(&long, 8, "spec.site.pue"), "xxxxxxx…");
        assert_eq!(short_of(&long, 0, "spec"), "");
        assert_eq!(short_of("", 0, "spec"), "");
    }
}
