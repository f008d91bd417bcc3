//! A straight line through load and power, learned as they come.
//!
//! Least squares over windows with a fading memory. It answers only what its
//! data can carry; it never guesses.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MEMORY;
use crate::{Joules, Utilisation};

/// Readings are joined to windows of this length: the kernel counts CPU time
/// in hundredths of a second, and a load that is known badly makes the line
/// too flat.
const WINDOW: Duration = Duration::from_secs(5);

/// Windows that a line needs: two minutes of them.
const WINDOWS_MIN: f64 = 24.0;

/// The least standard deviation of the load that a line needs: from loads
/// that are all alike nothing follows for an idle machine.
const SPREAD_MIN: f64 = 0.02;

/// The intercept's 90 % bound must lie within this part of it.
const ERROR_MAX: f64 = 0.2;

/// Standard errors in a 90 % bound of a normal distribution.
const NINETY: f64 = 1.645;

/// Sums over windows, older ones weigh less; powers in watts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    windows: f64,
    load: f64,
    power: f64,
    load_load: f64,
    load_power: f64,
    power_power: f64,
    /// The open window: its energy, its busy seconds and its length.
    open: (Joules, f64, Duration),
}

impl Line {
    /// Takes a reading.
    pub(super) fn note(&mut self, energy: Joules, utilisation: Utilisation, period: Duration) {
        self.open.0 += energy;
        self.open.1 += utilisation.ratio() * period.as_secs_f64();
        self.open.2 = self.open.2.saturating_add(period);
        if self.open.2 >= WINDOW {
            let (energy, busy_s, length) = std::mem::take(&mut self.open);
            let seconds = length.as_secs_f64();
            self.fade(seconds);
            self.add(busy_s / seconds, energy.as_joules_f64() / seconds);
        }
    }

    fn fade(&mut self, seconds: f64) {
        let kept = (-seconds / MEMORY.as_secs_f64()).exp();
        for sum in [
            &mut self.windows,
            &mut self.load,
            &mut self.power,
            &mut self.load_load,
            &mut self.load_power,
            &mut self.power_power,
        ] {
            *sum *= kept;
        }
    }

    fn add(&mut self, load: f64, watts: f64) {
        self.windows += 1.0;
        self.load += load;
        self.power += watts;
        self.load_load += load * load;
        self.load_power += load * watts;
        self.power_power += watts * watts;
    }

    /// The power at no load in watts, if the windows were many and different
    /// enough to tell it: the intercept of ordinary least squares, with its
    /// standard error √(s²·(1/n + x̄²/Sxx)) (Draper and Smith, *Applied
    /// Regression Analysis*, 3rd ed. 1998, §1.4).
    pub(super) fn intercept_watts(&self) -> Option<f64> {
        let n = self.windows;
        if n < WINDOWS_MIN {
            return None;
        }
        let (load, power) = (self.load / n, self.power / n);
        let sxx = self.load_load - n * load * load;
        let sxy = self.load_power - n * load * power;
        let syy = self.power_power - n * power * power;
        if sxx < n * SPREAD_MIN * SPREAD_MIN || sxy <= 0.0 {
            return None;
        }
        let slope = sxy / sxx;
        let intercept = power - slope * load;
        let scatter = (syy - slope * sxy).max(0.0) / (n - 2.0);
        let error = NINETY * (scatter * (1.0 / n + load * load / sxx)).sqrt();
        (intercept > 0.0 && error <= ERROR_MAX * intercept).then_some(intercept)
    }
}
