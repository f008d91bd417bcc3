//! Drift: do a type's nodes still draw what their model says?
//!
//! Page's two-sided cumulative sum (Page 1954) over the minutes' medians of
//! the nodes' log residuals: one node that goes wrong moves no median, a
//! change of all is found soon.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::robust::median;
use super::{Learned, Node};

/// A mean difference below this is no drift: seasons and fans do as much.
const SLACK: f64 = 0.02;
/// The sum at which drift is reported: 5 % show after ten minutes, 3 % after
/// half an hour, 2 % never.
const ALARM: f64 = 0.3;
/// A minute's difference counts up to this much, so that one wild minute is
/// no alarm.
const STEP_MOST: f64 = 0.06;
/// The fewest nodes in a minute whose median says something.
const NODES_MIN: usize = 3;

/// A change of a type's power that its model does not know.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// When it began, as far as can be told, seconds of Unix time.
    pub since_s: i64,
    /// When it was found.
    pub found_s: i64,
    /// Median ratio of measured to modelled power since it began.
    pub ratio: f64,
}

/// One direction of the cumulative sum.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    since_s: Option<i64>,
}

impl Sum {
    fn add(&mut self, at_s: i64, difference: f64) -> Option<i64> {
        self.value = (self.value + difference.min(STEP_MOST) - SLACK).max(0.0);
        if self.value == 0.0 {
            self.since_s = None;
        } else if self.since_s.is_none() {
            self.since_s = Some(at_s);
        }
        self.since_s.filter(|_| self.value > ALARM)
    }
}

/// Watches nodes against the model in service, from their first sample on.
#[must_use]
pub fn watch(nodes: &[Node], model: &Learned) -> Option<Drift> {
    let mut minutes: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for node in nodes {
        for sample in &node.observations {
            let minute = minutes.entry(sample.at_s.div_euclid(60)).or_default();
            minute.push(model.residual(sample));
        }
    }
    let middle: Vec<(i64, f64)> = minutes
        .into_iter()
        .filter(|(_, residuals)| residuals.len() >= NODES_MIN)
        .filter_map(|(minute, residuals)| Some((minute * 60, median(&residuals)?)))
        .collect();
    let (mut up, mut down) = (Sum::default(), Sum::default());
    for (at_s, residual) in &middle {
        let found = up.add(*at_s, *residual).or(down.add(*at_s, -residual));
        if let Some(since_s) = found {
            let since: Vec<f64> = middle
                .iter()
                .filter(|(at_s, _)| *at_s >= since_s)
                .map(|(_, residual)| *residual)
                .collect();
            return Some(Drift {
                since_s,
                found_s: *at_s,
                ratio: median(&since)?.exp(),
            });
        }
    }
    None
}
