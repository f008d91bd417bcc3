//! An OTLP request for metrics: `ExportMetricsServiceRequest`
//! (<https://opentelemetry.io/docs/specs/otlp/>), written by hand like the
//! other protocol buffers.
//!
//! Counters become cumulative monotonic sums that begin with the agent,
//! gauges gauges; names and labels stay as they are in `/metrics`.

use tanso_agent_wire::families::{Family, Kind};

use super::Sink;
use crate::serve::metrics::message::Message;

/// Where the path of an OTLP receiver for metrics ends.
pub const PATH: &str = "/v1/metrics";

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// A request being written.
pub struct Otlp {
    scope: Message,
    points: Message,
    point: Message,
    begun: Option<Family>,
    since_ns: u64,
    at_ns: u64,
}

impl Otlp {
    /// Begins a request over figures of `at_ns`, counted since `since_ns`,
    /// both nanoseconds of Unix time.
    #[must_use]
    pub fn new(since_ns: u64, at_ns: u64) -> Self {
        let mut scope = Message::default();
        let mut name = Message::default();
        name.text(1, env!("CARGO_PKG_NAME"));
        name.text(2, env!("CARGO_PKG_VERSION"));
        scope.message(1, &name);
        Self {
            scope,
            points: Message::default(),
            point: Message::default(),
            begun: None,
            since_ns,
            at_ns,
        }
    }

    /// The request, with the resource's attributes.
    #[must_use]
    pub fn finish(mut self, resource: &[(&str, &str)]) -> Vec<u8> {
        self.flush();
        let mut attributes = Message::default();
        for (name, value) in resource {
            attribute(&mut attributes, 1, name, value);
        }
        let mut all = Message::default();
        all.message(1, &attributes);
        all.message(2, &self.scope);
        let mut request = Message::default();
        request.message(1, &all);
        request.bytes().to_vec()
    }

    fn flush(&mut self) {
        let Some(family) = self.begun.take() else {
            return;
        };
        let mut metric = Message::default();
        metric.text(1, family.name);
        metric.text(2, family.help);
        metric.text(3, unit(&family));
        if family.kind == Kind::Counter {
            self.points.number(2, CUMULATIVE);
            self.points.number(3, 1);
            metric.message(7, &self.points);
        } else {
            metric.message(5, &self.points);
        }
        self.scope.message(2, &metric);
        self.points.clear();
    }
}

impl Sink for Otlp {
    fn family(&mut self, _family: &Family) {
        self.flush();
    }

    fn sample(&mut self, family: &Family, values: &[&str], value: f64) {
        if self.begun.is_none_or(|begun| begun.name != family.name) {
            self.flush();
            self.begun = Some(*family);
        }
        self.point.clear();
        self.point.fixed64(2, self.since_ns);
        self.point.fixed64(3, self.at_ns);
        self.point.double(4, value);
        for (name, text) in family.labels.iter().zip(values) {
            attribute(&mut self.point, 7, name, text);
        }
        self.points.message(1, &self.point);
    }
}

/// A `KeyValue` with a text.
fn attribute(into: &mut Message, field: u64, name: &str, value: &str) {
    let mut text = Message::default();
    text.text(1, value);
    let mut pair = Message::default();
    pair.text(1, name);
    pair.message(2, &text);
    into.message(field, &pair);
}

/// The unit by the Unified Code for Units of Measure, as OTLP wants it.
fn unit(family: &Family) -> &'static str {
    match family.unit {
        "joules" => "J",
        "watts" => "W",
        "seconds" => "s",
        "bytes" => "By",
        _ => "1",
    }
}
