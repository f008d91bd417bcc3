//! Prometheus' protocol buffers: `io.prometheus.client.MetricFamily`, each
//! behind its length.
//!
//! Five message types of two fields each are written by hand: that is less
//! than a generator brings
//! (<https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>).

use tanso_agent_wire::families::{Family, Kind};

use super::{Body, Sink};
use crate::serve::metrics::message::Message;

/// Messages being written.
pub struct Protobuf {
    body: Body,
    family: Message,
    metric: Message,
    label: Message,
    begun: Option<&'static str>,
}

impl Protobuf {
    /// Begins without a message.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self {
            body,
            family: Message::default(),
            metric: Message::default(),
            label: Message::default(),
            begun: None,
        }
    }

    /// The body, complete.
    #[must_use]
    pub fn finish(mut self) -> Body {
        self.flush();
        self.body
    }

    fn flush(&mut self) {
        if self.begun.take().is_some() {
            let mut length = Message::default();
            length.varint(self.family.len());
            self.body.push(length.bytes());
            self.body.push(self.family.bytes());
        }
        self.family.clear();
    }
}

impl Sink for Protobuf {
    fn family(&mut self, _family: &Family) {
        self.flush();
    }

    fn sample(&mut self, family: &Family, values: &[&str], value: f64) {
        if self.begun != Some(family.name) {
            self.flush();
            self.begun = Some(family.name);
            self.family.text(1, family.name);
            self.family.text(2, family.help);
            let kind = match family.kind {
                Kind::Counter => 0,
                Kind::Gauge | Kind::Info => 1,
            };
            self.family.number(3, kind);
        }
        self.metric.clear();
        for (name, text) in family.labels.iter().zip(values) {
            self.label.clear();
            self.label.text(1, name);
            self.label.text(2, text);
            self.metric.message(1, &self.label);
        }
        // Gauge and Counter alike have their value in field 1.
        self.label.clear();
        self.label.double(1, value);
        let field = match family.kind {
            Kind::Counter => 3,
            Kind::Gauge | Kind::Info => 2,
        };
        self.metric.message(field, &self.label);
        self.family.message(4, &self.metric);
    }
}
