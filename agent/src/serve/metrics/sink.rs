//! Where families and samples go: one of the formats that readers ask for.
//!
//! A format knows nothing of what is measured; what is written knows nothing
//! of formats. A family without a sample leaves no trace.

mod body;
pub mod otlp;
mod protobuf;
mod text;

use tanso_agent_wire::families::Family;

pub use body::{Body, Coding};
pub use protobuf::Protobuf;
pub use text::Text;

/// A format being written. Samples of a family follow it directly.
pub trait Sink {
    /// Begins a family.
    fn family(&mut self, family: &Family);

    /// A sample of the family begun last: a value for each of its labels.
    fn sample(&mut self, family: &Family, values: &[&str], value: f64);

    /// Samples that differ in the label at `place` alone, as those of an item's
    /// zones do: its value and theirs. What `values` has at that place is of no
    /// matter.
    fn each(
        &mut self,
        family: &Family,
        values: &[&str],
        place: usize,
        samples: &mut dyn Iterator<Item = (&str, f64)>,
    ) {
        let mut all: Vec<&str> = values.to_vec();
        for (label, value) in samples {
            if let Some(own) = all.get_mut(place) {
                *own = label;
            }
            self.sample(family, &all, value);
        }
    }
}

/// A format that readers may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus' text format 0.0.4: what is answered unless asked otherwise.
    Plain,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus' protocol buffers, `MetricFamily` messages each behind its
    /// length.
    Protobuf,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }
}
