//! A figure with its bounds.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// A figure with the bounds between which the true one is expected (90 %
/// unless stated otherwise): `low <= value <= high`.
///
/// Sums add bound to bound: errors of one power model are common to all that
/// it estimates, so they are not allowed to cancel out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate<T> {
    /// The lower bound.
    pub low: T,
    /// The best estimate.
    pub value: T,
    /// The upper bound.
    pub high: T,
}

impl<T: Copy + PartialOrd> Estimate<T> {
    /// A figure known without error.
    pub const fn exact(value: T) -> Self {
        Self {
            low: value,
            value,
            high: value,
        }
    }

    /// A figure with bounds, or `None` unless `low <= value <= high`.
    pub fn try_new(low: T, value: T, high: T) -> Option<Self> {
        (low <= value && value <= high).then_some(Self { low, value, high })
    }

    /// The same operation on the value and on both bounds; `f` must not
    /// reverse their order.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Estimate<U> {
        Estimate {
            low: f(self.low),
            value: f(self.value),
            high: f(self.high),
        }
    }
}

impl<T: Add<Output = T>> Add for Estimate<T> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            value: self.value + other.value,
            high: self.high + other.high,
        }
    }
}

impl<T: Add<Output = T> + Default> std::iter::Sum for Estimate<T> {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}
