//! Power of accelerator boards whose own meter nobody can read.
//!
//! Published are board limits, and for a few boards watts by load which were
//! scaled from processors and never measured. That is enough for an idle
//! figure and for bounds, and for no more: how busy a board is, no file of the
//! CPUs tells.

use serde::Serialize;

use crate::catalog::parts::Accelerator;
use crate::host::count;

/// How far an idle figure that was not measured may be off, either way.
const IDLE_FACTOR: f64 = 2.0;
/// The same under a load that is told.
const LOAD_FACTOR: f64 = 1.5;
/// Boards pass their limit by so much for moments only.
const LIMIT: f64 = 1.05;
/// The loads of published figures.
const LOADS: [f64; 4] = [0.0, 0.1, 0.5, 1.0];

/// Watts of a machine's boards together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Draw {
    /// Lower bound.
    pub low: f64,
    /// The figure: idle unless the load was told.
    pub value: f64,
    /// Upper bound.
    pub high: f64,
}

/// The bundled boards.
#[derive(Clone, Debug)]
pub struct Boards {
    boards: Vec<Accelerator>,
    /// Watts per watt of limit, where a board has no figures of its own.
    ratio: [f64; 4],
}

impl Boards {
    /// Gathers the boards.
    #[must_use]
    pub fn new(boards: &[Accelerator]) -> Self {
        let known: Vec<[f64; 4]> = boards
            .iter()
            .filter_map(|board| Some(board.watts?.map(|watts| watts / board.tdp_w)))
            .collect();
        let total = count(known.len().max(1));
        Self {
            boards: boards.to_vec(),
            ratio: std::array::from_fn(|load| known.iter().map(|of| of[load]).sum::<f64>() / total),
        }
    }

    /// The board that a name means, as a driver or a cloud writes it: the
    /// board's number is among its words; of several the one with the most
    /// words in common, then the hungriest.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Accelerator> {
        let asked = words(name);
        let number = |own: &[String]| {
            let number = own
                .iter()
                .find(|word| word.contains(|c: char| c.is_ascii_digit()));
            number.or(own.first()).cloned()
        };
        let common = |board: &Accelerator| {
            let own = words(&board.name);
            own.iter().filter(|word| asked.contains(word)).count()
        };
        self.boards
            .iter()
            .filter(|board| {
                number(&words(&board.name)).is_some_and(|number| asked.contains(&number))
            })
            .max_by(|a, b| common(a).cmp(&common(b)).then(a.tdp_w.total_cmp(&b.tdp_w)))
    }

    /// What `number` of a board draw: idle, between half of that and their
    /// limit, unless their load is told.
    #[must_use]
    pub fn draw(&self, board: &Accelerator, number: u32, load: Option<f64>) -> Draw {
        let watts = board
            .watts
            .unwrap_or_else(|| self.ratio.map(|ratio| ratio * board.tdp_w));
        let limit = board.tdp_w * LIMIT;
        let each = match load {
            None => Draw {
                low: watts[0] / IDLE_FACTOR,
                value: watts[0],
                high: limit,
            },
            Some(load) => {
                let value = at(&watts, load).min(limit);
                Draw {
                    low: value / LOAD_FACTOR,
                    value,
                    high: (value * LOAD_FACTOR).min(limit),
                }
            }
        };
        let number = f64::from(number);
        Draw {
            low: each.low * number,
            value: each.value * number,
            high: each.high * number,
        }
    }
}

/// A board's name as words to compare by; makers' and lines' names aside.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let split = lower.split(|c: char| !c.is_alphanumeric());
    split
        .filter(|word| !word.is_empty())
        .filter(|word| {
            ![
                "nvidia",
                "amd",
                "intel",
                "tesla",
                "instinct",
                "gpu",
                "corporation",
            ]
            .contains(word)
        })
        .map(str::to_owned)
        .collect()
}

/// Watts at a load, linear between the published ones.
fn at(watts: &[f64; 4], load: f64) -> f64 {
    let right = (1..LOADS.len() - 1)
        .find(|at| load < LOADS[*at])
        .unwrap_or(LOADS.len() - 1);
    let share = (load - LOADS[right - 1]) / (LOADS[right] - LOADS[right - 1]);
    watts[right - 1] + share.clamp(0.0, 1.0) * (watts[right] - watts[right - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn names_of_drivers_and_clouds_mean_a_board() {
        let boards = Boards::new(&Catalog::bundled().accelerators);
        let name = |asked: &str| boards.find(asked).map(|board| board.name.clone());
        assert_eq!(
            name("NVIDIA A100-SXM4-40GB").as_deref(),
            Some("A100 SXM4 40GB")
        );
        assert_eq!(name("Tesla T4").as_deref(), Some("T4"));
        assert_eq!(
            name("NVIDIA H100 80GB HBM3").map(|name| name.starts_with("H100")),
            Some(true)
        );
        assert_eq!(name("AMD Instinct MI300X").as_deref(), Some("MI300X"));
        assert_eq!(name("NVIDIA RTX A5000").as_deref(), Some("RTX A5000"));
        assert_eq!(name("NVIDIA RTX 3090"), None);
        assert_eq!(name("NVIDIA L40S").as_deref(), Some("L40S"));
        assert_eq!(name("Voodoo 2"), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn an_untold_load_may_be_any_and_a_told_one_narrows() {
        let boards = Boards::new(&Catalog::bundled().accelerators);
        let board = boards.find("Tesla T4").unwrap();
        let untold = boards.draw(board, 4, None);
        let told = boards.draw(board, 4, Some(0.5));
        assert!(untold.low > 0.0 && untold.low < untold.value && untold.high >= 4.0 * board.tdp_w);
        assert!(told.low > untold.low && told.value > untold.value && told.high <= untold.high);
        let mut last = 0.0;
        for step in 0..=20 {
            let draw = boards.draw(board, 1, Some(f64::from(step) / 20.0));
            assert!(draw.low <= draw.value && draw.value <= draw.high && draw.value >= last);
            last = draw.value;
        }
    }
}
