//! Simulated machines: a hidden power function, a load that wanders, and a
//! sensor with noise. What they send is what agents send.
#![allow(dead_code, reason = "each test takes what it needs")]

use serde_json::{Value, json};

/// Numbers that look like chance and are always the same.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> f64 {
        // xorshift64*: Marsaglia 2003, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let value = bits as f64 / (1_u64 << 53) as f64;
        value
    }

    /// Roughly normal, deviation 1.
    pub(crate) fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// A kind of machine: what it says of itself, and what it draws.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) machine: Value,
    /// Watts at the plug by utilisation, at [`CLOCK_MHZ`].
    pub(crate) watts: fn(f64) -> f64,
    /// With what exponent of the clock power above idle goes.
    pub(crate) exponent: f64,
}

/// The clock at which a kind's figures hold.
pub(crate) const CLOCK_MHZ: f64 = 2_400.0;

/// Two sockets of Ice Lake with much memory: a high idle, a steep beginning.
pub(crate) fn xeon() -> Kind {
    Kind {
        machine: json!({
            "cpu_name": "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", "cpu_vendor": "intel", "sockets": 2,
            "cores": 80, "threads": 160, "base_mhz": 2300.0, "mem_gb": 1007.4, "virtual_machine": false
        }),
        watts: |u| 245.0 + 190.0 * u.powf(0.55) + 330.0 * u,
        exponent: 0.0,
    }
}

/// Two sockets of Milan.
pub(crate) fn epyc() -> Kind {
    Kind {
        machine: json!({
            "cpu_name": "AMD EPYC 7763 64-Core Processor", "cpu_vendor": "amd", "sockets": 2, "cores": 128,
            "threads": 256, "mem_gb": 503.2, "virtual_machine": false
        }),
        watts: |u| 215.0 + 260.0 * u.powf(0.6) + 240.0 * u.powi(2),
        exponent: 0.0,
    }
}

/// A machine whose owner changes its clock at will, by power caps and
/// governors: power above idle goes with the clock's power of 2.2.
pub(crate) fn capped() -> Kind {
    let mut kind = epyc();
    kind.machine["cpu_name"] = json!("AMD EPYC 7543 32-Core Processor");
    kind.machine["cores"] = json!(64);
    kind.machine["threads"] = json!(128);
    Kind {
        watts: |u| 190.0 + 210.0 * u.powf(0.7) + 150.0 * u,
        exponent: 2.2,
        ..kind
    }
}

/// How a node's sensor behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sensor {
    Honest,
    /// It shows one figure for ever.
    Stuck,
    /// It shows twice and a half of the truth.
    Lying,
    /// It shows an eighth too much, and too little: as little as nodes of one
    /// type may differ by, so that it is believed.
    Above,
    Below,
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) sensor: Sensor,
    /// How much more it draws than its kind: machines of one kind differ.
    own: f64,
    load: f64,
    clock_mhz: f64,
    chance: Chance,
}

impl Node {
    pub(crate) fn new(name: String, kind: Kind, sensor: Sensor, seed: u64) -> Self {
        let mut chance = Chance(seed * 0x9E37_79B9 + 12_345);
        for _ in 0..8 {
            chance.next();
        }
        let own = 1.0 + 0.02 * chance.noise();
        let load = chance.next();
        Self {
            name,
            kind,
            sensor,
            own,
            load,
            clock_mhz: CLOCK_MHZ,
            chance,
        }
    }

    pub(crate) fn true_watts(&self, utilisation: f64) -> f64 {
        self.true_watts_at(utilisation, CLOCK_MHZ)
    }

    pub(crate) fn true_watts_at(&self, utilisation: f64, clock_mhz: f64) -> f64 {
        let idle = (self.kind.watts)(0.0);
        let above = (self.kind.watts)(utilisation) - idle;
        (idle + above * (clock_mhz / CLOCK_MHZ).powf(self.kind.exponent)) * self.own
    }

    /// One minute of the node's life: load wanders, jumps now and then.
    fn minute(&mut self, at: i64, factor: f64) -> Value {
        self.load = if self.chance.next() < 0.05 {
            self.chance.next()
        } else {
            (self.load + 0.08 * self.chance.noise()).clamp(0.0, 1.0)
        };
        // The clock is set for some minutes at a time.
        if self.chance.next() < 0.15 {
            self.clock_mhz = 1_500.0 + 1_900.0 * self.chance.next();
        }
        let noise = 1.0 + 0.015 * self.chance.noise();
        let watts = self.true_watts_at(self.load, self.clock_mhz) * factor * noise;
        let shown = match self.sensor {
            Sensor::Honest => watts.round(),
            Sensor::Stuck => 311.0,
            Sensor::Lying => (watts * 2.5).round(),
            Sensor::Above => (watts * 1.125).round(),
            Sensor::Below => (watts / 1.125).round(),
        };
        json!({
            "at": at, "seconds": 10, "utilisation": self.load, "watts": {"platform": shown},
            "frequencyMhz": self.clock_mhz.round(), "events": self.events(),
        })
    }

    /// Events of which power is no matter: what they are spent on wanders.
    fn events(&mut self) -> Value {
        let cycles = self.load * self.clock_mhz * 1e6 * 128.0;
        let instructions = cycles * (0.6 + self.chance.next());
        let misses = instructions * 0.004 * (0.5 + self.chance.next());
        json!({"cycles": cycles.round(), "instructions": instructions.round(), "cacheMisses": misses.round()})
    }

    /// A batch of `minutes` samples that ends at `until`.
    pub(crate) fn batch(&mut self, until: i64, minutes: i64, factor: f64) -> Value {
        let samples: Vec<Value> = (1..=minutes)
            .map(|minute| self.minute(until - (minutes - minute) * 60, factor))
            .collect();
        json!({
            "schema": "tanso.dev/power-samples/v1", "node": self.name, "meter": "redfish",
            "machine": self.kind.machine, "samples": samples,
        })
    }
}
