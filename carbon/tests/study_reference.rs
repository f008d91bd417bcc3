//! Statistics of studies against `SciPy` and statsmodels on published data:
//! NIST's reference data sets, Student's sleep data, Darwin's maize. Equal to
//! 10^-9 of the figure.
//!
//! `cargo test -p tanso-carbon --test study_reference -- --nocapture` prints
//! how many figures were compared and the largest difference.
//! `study_reference.py` makes the figures anew.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails there"
)]

use serde_json::Value;
use tanso_carbon::study::bootstrap::Bootstrap;
use tanso_carbon::study::difference::{Confidence, Contrast, Interval, Method, contrast};
use tanso_carbon::study::dist::{noncentral_t_cdf, normal_quantile, t_cdf, t_quantile};
use tanso_carbon::study::drift::{Point, drift};
use tanso_carbon::study::power::{detectable, pairs_needed, power};
use tanso_carbon::study::sample::Sample;
use tanso_carbon::study::strata::{Part, stratified, weighted};

const TOLERANCE: f64 = 1e-9;
const USUAL: Confidence = Confidence::USUAL;

fn reference() -> Value {
    serde_json::from_str(include_str!("data/study_reference.json")).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn figures(value: &Value) -> Vec<f64> {
    list(value)
        .iter()
        .map(|one| one.as_f64().unwrap())
        .collect()
}

/// What was compared, and how far apart the furthest two are.
struct Tally {
    count: u32,
    worst: f64,
    worst_name: String,
    scale: f64,
}

impl Tally {
    /// Figures of which the smaller count by themselves, as shares of
    /// themselves; those of a data set also as shares of its spread.
    fn new() -> Self {
        Self {
            count: 0,
            worst: 0.0,
            worst_name: String::new(),
            scale: 0.0,
        }
    }

    fn see(&mut self, name: &str, got: f64, want: &Value) {
        let want = want.as_f64().unwrap();
        let apart = (got - want).abs() / want.abs().max(self.scale).max(1e-300);
        self.count += 1;
        assert!(
            apart <= TOLERANCE,
            "{name}: {got} is not {want}: {apart:e} apart"
        );
        if apart > self.worst {
            self.worst = apart;
            name.clone_into(&mut self.worst_name);
        }
    }

    fn see_interval(&mut self, name: &str, got: Option<Interval>, want: &Value) {
        match (got, want.is_null()) {
            (None, true) => self.count += 1,
            (Some(got), false) => {
                self.see(&format!("{name}, low"), got.low, &want[0]);
                self.see(&format!("{name}, high"), got.high, &want[1]);
            }
            (got, _) => panic!("{name}: {got:?} is not {want}"),
        }
    }

    fn tell(&self, what: &str) {
        let Self {
            count,
            worst,
            worst_name,
            ..
        } = self;
        println!("{what}: {count} figures, largest difference {worst:.1e} ({worst_name})");
    }
}

#[test]
fn means_and_deviations_of_nists_data_sets_are_those_of_exact_arithmetic() {
    let mut tally = Tally::new();
    for set in list(&reference()["univariate"]) {
        let name = set["name"].as_str().unwrap();
        let sample = Sample::try_new(figures(&set["data"])).unwrap();
        let (sd, lag1) = (sample.sd().unwrap(), sample.lag1_autocorrelation().unwrap());
        tally.see(&format!("{name} mean"), sample.mean(), &set["mean"]);
        tally.see(&format!("{name} sd"), sd, &set["sd"]);
        tally.see(&format!("{name} lag 1"), lag1, &set["lag1"]);
        tally.see(&format!("{name} median"), sample.median(), &set["median"]);
        tally.see(&format!("{name} MAD"), sample.mad(), &set["mad"]);
        // NIST certifies the decimal figures. Those of NumAcc3 and 4 lie so
        // close that no binary number holds their deviation to 10^-9.
        let certified = figures(&set["certified"]);
        let binary = match name {
            "NumAcc3" => 1e-9,
            "NumAcc4" => 1e-8,
            _ => 1e-12,
        };
        assert!((sample.mean() / certified[0] - 1.0).abs() < 1e-13, "{name}");
        assert!((sd / certified[1] - 1.0).abs() < binary, "{name}");
        assert!((lag1 / certified[2] - 1.0).abs() < binary, "{name}");
    }
    assert_eq!(tally.count, 40);
    tally.tell("univariate");
}

#[test]
fn paired_differences_are_scipys() {
    let reference = reference();
    let bootstrap: Bootstrap = serde_json::from_value(reference["bootstrap"].clone()).unwrap();
    let method = Method {
        confidence: USUAL,
        comparisons: 4,
        bootstrap,
    };
    let mut tally = Tally::new();
    for set in list(&reference["paired"]) {
        let name = set["name"].as_str().unwrap();
        let pairs = figures(&set["arm"])
            .into_iter()
            .zip(figures(&set["against"]));
        let found = contrast(&pairs.collect::<Vec<_>>(), &method).unwrap();
        see_contrast(&mut tally, name, &found, set);
    }
    tally.tell("paired");
    assert_eq!(tally.count, 56);
}

fn see_contrast(tally: &mut Tally, name: &str, found: &Contrast, want: &Value) {
    let mut see = |field: &str, got: f64| tally.see(&format!("{name} {field}"), got, &want[field]);
    see("meanArm", found.mean_arm);
    see("meanAgainst", found.mean_against);
    see("difference", found.difference);
    see("sd", found.sd);
    see("pValue", found.p_value.unwrap());
    see("effectSize", found.effect_size.unwrap());
    see("hedgesG", found.hedges_g.unwrap());
    see("relative", found.relative.unwrap());
    let mut see = |field: &str, got: Option<Interval>| {
        tally.see_interval(&format!("{name} {field}"), got, &want[field]);
    };
    see("interval", Some(found.interval));
    see("sharedIntervalOfFour", Some(found.shared_interval));
    see("effectSizeInterval", found.effect_size_interval);
    see("bootstrapInterval", found.bootstrap_interval);
    if !want["relativeInterval"].is_null() {
        see("relativeInterval", found.relative_interval);
        see(
            "relativeBootstrapInterval",
            found.relative_bootstrap_interval,
        );
    }
}

#[test]
fn distributions_are_scipys() {
    let reference = reference();
    let tables = &reference["distributions"];
    let mut tally = Tally::new();
    for row in list(&tables["normalQuantile"]) {
        tally.see(
            &format!("normal {row}"),
            normal_quantile(figures(row)[0]),
            &row[1],
        );
    }
    for row in list(&tables["tQuantile"]) {
        let [p, df] = [0, 1].map(|place| figures(row)[place]);
        tally.see(&format!("t {row}"), t_quantile(p, df), &row[2]);
    }
    for row in list(&tables["tCdf"]) {
        let [t, df] = [0, 1].map(|place| figures(row)[place]);
        tally.see(&format!("t cdf {row}"), t_cdf(t, df), &row[2]);
    }
    // A share of a millionth is known to 10^-9 of 1.
    tally.scale = 1e-3;
    for row in list(&tables["noncentralTCdf"]) {
        let [t, df, delta] = [0, 1, 2].map(|place| figures(row)[place]);
        tally.see(
            &format!("noncentral t {row}"),
            noncentral_t_cdf(t, df, delta),
            &row[3],
        );
    }
    tally.tell("distributions");
    assert_eq!(tally.count, 8 + 56 + 35 + 64);
}

#[test]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of the table"
)]
fn power_is_that_of_statsmodels() {
    let reference = reference();
    let tables = &reference["power"];
    let mut tally = Tally::new();
    for row in list(&tables["power"]) {
        let [effect, pairs] = [0, 1].map(|place| figures(row)[place]);
        tally.see(
            &format!("power {row}"),
            power(effect, pairs as u32, USUAL),
            &row[2],
        );
    }
    for row in list(&tables["pairsNeeded"]) {
        let [effect, target] = [0, 1].map(|place| figures(row)[place]);
        let needed = pairs_needed(effect, target, USUAL).map(f64::from);
        assert_eq!(needed, row[2].as_f64(), "{row}");
        tally.count += 1;
    }
    for row in list(&tables["detectable"]) {
        let [pairs, target] = [0, 1].map(|place| figures(row)[place]);
        let effect = detectable(pairs as u32, target, USUAL).unwrap();
        tally.see(&format!("detectable {row}"), effect, &row[2]);
    }
    tally.tell("power");
    assert_eq!(tally.count, 12 + 12 + 6);
}

#[test]
fn drift_is_that_of_scipy_and_statsmodels() {
    let reference = reference();
    let mut tally = Tally::new();
    for set in list(&reference["drift"]) {
        let name = set["name"].as_str().unwrap();
        let orders = figures(&set["order"]);
        let rows = orders
            .iter()
            .zip(list(&set["arms"]))
            .zip(figures(&set["values"]));
        let points: Vec<_> = rows
            .map(|((order, arm), value)| Point {
                order: *order,
                arm: arm.as_str().unwrap(),
                value,
            })
            .collect();
        let found = drift(&points, USUAL).unwrap();
        // Slopes near 0 are differences of larger figures.
        tally.scale = found.slope_error;
        let mut see = |field: &str, got| tally.see(&format!("{name} {field}"), got, &set[field]);
        see("slope", found.slope);
        see("slopeError", found.slope_error);
        see("rankSlope", found.rank_slope);
        see("tau", found.tau);
        see("tauPValue", found.tau_p_value.unwrap());
        see("pValue", found.p_value.unwrap());
        tally.see_interval(name, Some(found.slope_interval), &set["slopeInterval"]);
        tally.see_interval(
            name,
            Some(found.rank_slope_interval),
            &set["rankSlopeInterval"],
        );
    }
    tally.tell("drift");
    assert_eq!(tally.count, 30);
    // NIST certifies Norris' slope and its standard error.
    let norris = &list(&reference["drift"])[0];
    assert!((norris["slope"].as_f64().unwrap() / 1.002_116_818_020_45 - 1.0).abs() < 1e-13);
    assert!(
        (norris["slopeError"].as_f64().unwrap() / 0.429_796_848_199_937e-3 - 1.0).abs() < 1e-11
    );
}

#[test]
fn arms_in_parts_are_numpys_and_scipys() {
    let reference = reference();
    let mut tally = Tally::new();
    for set in list(&reference["strata"]) {
        let name = set["name"].as_str().unwrap();
        let share = set["share"].as_f64().unwrap();
        let [quiet, sync, control] = ["quiet", "sync", "control"].map(|part| figures(&set[part]));
        let samples = [&quiet, &sync].map(|figures| Sample::try_new(figures.clone()).unwrap());
        let parts = [
            Part {
                share: 1.0 - share,
                sample: &samples[0],
            },
            Part {
                share,
                sample: &samples[1],
            },
        ];
        let found = stratified(&parts).unwrap();
        let mut see = |field: &str, got| tally.see(&format!("{name} {field}"), got, &set[field]);
        see("mean", found.mean);
        see("error", found.error);
        see("degreesOfFreedom", found.degrees_of_freedom.unwrap());
        tally.see_interval(name, Some(found.interval(USUAL)), &set["interval"]);
        // As a report does it: the arm's figure of each block, less the control's.
        let blocks = quiet.iter().zip(&sync).zip(&control);
        let pairs: Vec<_> = blocks
            .map(|((quiet, sync), control)| {
                let arm = weighted(&[(1.0 - share, *quiet), (share, *sync)]);
                (arm, *control)
            })
            .collect();
        let method = Method {
            confidence: USUAL,
            comparisons: 1,
            bootstrap: Bootstrap {
                resamples: 99,
                seed: 1,
            },
        };
        let compared = contrast(&pairs, &method).unwrap();
        tally.see(
            &format!("{name} blocks"),
            compared.difference,
            &set["blockDifference"],
        );
        tally.see_interval(
            &format!("{name} blocks"),
            Some(compared.interval),
            &set["blockInterval"],
        );
    }
    tally.tell("strata");
    assert_eq!(tally.count, 3 * 8);
}
