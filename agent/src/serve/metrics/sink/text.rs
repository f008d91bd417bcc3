//! Both text formats: Prometheus 0.0.4 and `OpenMetrics` 1.0.
//!
//! They differ in the names of counters' families, in units and in the end
//! mark (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

mod number;

use tanso_agent_wire::families::Family;

use super::{Body, Sink};

/// Text being written.
pub struct Text {
    body: Body,
    open: bool,
    begun: Option<&'static str>,
}

impl Text {
    /// Prometheus' text, or `OpenMetrics` if `open`.
    #[must_use]
    pub fn new(body: Body, open: bool) -> Self {
        Self {
            body,
            open,
            begun: None,
        }
    }

    /// The body, complete.
    #[must_use]
    pub fn finish(mut self) -> Body {
        if self.open {
            self.body.push(b"# EOF\n");
        }
        self.body
    }

    fn header(&mut self, family: &Family) {
        let name = if self.open {
            family.name.strip_suffix("_total").unwrap_or(family.name)
        } else {
            family.name
        };
        let kind = family.kind.as_str();
        let mut text = format!("# HELP {name} {}\n# TYPE {name} {kind}\n", family.help);
        // OpenMetrics wants the unit at the name's very end.
        if self.open && !family.unit.is_empty() && name.ends_with(family.unit) {
            text.extend(["# UNIT ", name, " ", family.unit, "\n"]);
        }
        self.body.push(text.as_bytes());
    }
}

impl Sink for Text {
    fn family(&mut self, _family: &Family) {
        self.begun = None;
    }

    fn sample(&mut self, family: &Family, values: &[&str], value: f64) {
        if self.begun != Some(family.name) {
            self.header(family);
            self.begun = Some(family.name);
        }
        self.body.add(|line| {
            line.extend_from_slice(family.name.as_bytes());
            let mut separator = b'{';
            for (label, value) in family.labels.iter().zip(values) {
                line.push(separator);
                line.extend_from_slice(label.as_bytes());
                line.extend_from_slice(b"=\"");
                escape(line, value);
                line.push(b'"');
                separator = b',';
            }
            if separator == b',' {
                line.push(b'}');
            }
            line.push(b' ');
            number::write(line, value);
            line.push(b'\n');
        });
    }
}

/// A label's value: backslash, quote and line feed are escaped.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a way out many bytes are looked at at once"
)]
fn escape(line: &mut Vec<u8>, value: &str) {
    let hostile = value.bytes().fold(false, |found, byte| {
        found | (byte == b'\\') | (byte == b'"') | (byte == b'\n')
    });
    if !hostile {
        line.extend_from_slice(value.as_bytes());
        return;
    }
    for byte in value.bytes() {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'"' => line.extend_from_slice(b"\\\""),
            b'\n' => line.extend_from_slice(b"\\n"),
            _ => line.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use tanso_agent_wire::families as f;

    use super::*;
    use crate::serve::metrics::sink::Coding;

    fn written(open: bool) -> String {
        let mut text = Text::new(Body::new(Coding::Identity), open);
        text.family(&f::NODE_JOULES);
        text.family(&f::CYCLES);
        text.sample(&f::CYCLES, &["a\"b\\c\nd"], 41.0);
        String::from_utf8(text.finish().finish().unwrap()).unwrap()
    }

    #[test]
    fn a_label_of_a_hostile_pod_stays_within_its_quotes() {
        assert!(written(true).contains("{node_name=\"a\\\"b\\\\c\\nd\"} 41\n"));
    }

    #[test]
    fn the_two_texts_differ_in_names_and_end() {
        assert!(written(true).contains("# TYPE tanso_cycles counter\n"));
        assert!(written(true).ends_with("# EOF\n"));
        assert!(written(false).contains("# TYPE tanso_cycles_total counter\n"));
        assert!(!written(false).contains("EOF"));
    }

    #[test]
    fn a_family_without_a_sample_leaves_no_trace() {
        assert!(!written(true).contains("kepler_node_cpu_joules"));
    }
}
