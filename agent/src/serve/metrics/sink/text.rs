//! Both text formats: Prometheus 0.0.4 and `OpenMetrics` 1.0.
//!
//! They differ in the names of counters' families, in units and in the end
//! mark (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).

mod number;

use std::ops::Range;

use tanso_agent_wire::families::Family;

use super::{Body, Sink};

/// Text being written.
pub struct Text {
    body: Body,
    open: bool,
    begun: Option<&'static str>,
    shape: Shape,
}

impl Text {
    /// Prometheus' text, or `OpenMetrics` if `open`.
    #[must_use]
    pub fn new(body: Body, open: bool) -> Self {
        Self {
            body,
            open,
            begun: None,
            shape: Shape::default(),
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

    /// Begins the family's lines, if the last sample was not its own.
    fn begin(&mut self, family: &Family) {
        if self.begun != Some(family.name) {
            self.header(family);
            self.shape.become_of(family);
            self.begun = Some(family.name);
        }
    }
}

impl Sink for Text {
    fn family(&mut self, _family: &Family) {
        self.begun = None;
    }

    fn sample(&mut self, family: &Family, values: &[&str], value: f64) {
        self.begin(family);
        let shape = &self.shape;
        self.body.add(|line| {
            shape.rest(line, values, 0, 0);
            number::write(line, value);
            line.push(b'\n');
        });
    }

    /// What the first line has before and behind that label is copied to the
    /// others in two pieces.
    fn each(
        &mut self,
        family: &Family,
        values: &[&str],
        place: usize,
        samples: &mut dyn Iterator<Item = (&str, f64)>,
    ) {
        let Some((label, value)) = samples.next() else {
            return;
        };
        self.begin(family);
        let shape = &self.shape;
        self.body.add(|lines| {
            let begin = lines.len();
            let behind = shape.up_to(lines, values, place);
            let before = begin..lines.len();
            escape(lines, label);
            let begin = lines.len();
            shape.rest(lines, values, place + 1, behind);
            let after = begin..lines.len();
            number::write(lines, value);
            lines.push(b'\n');
            for (label, value) in samples {
                // Both stand in the first line, which stays where it is.
                lines.extend_from_within(before.clone());
                escape(lines, label);
                lines.extend_from_within(after.clone());
                number::write(lines, value);
                lines.push(b'\n');
            }
        });
    }
}

/// What all lines of a family have in common, in pieces: one before each label's
/// value, and one behind the last. Made once a family, and not once a line.
#[derive(Default)]
struct Shape {
    text: Vec<u8>,
    /// Where each piece but the last ends.
    ends: Vec<usize>,
}

impl Shape {
    fn become_of(&mut self, family: &Family) {
        self.ends.clear();
        self.text.clear();
        self.text.extend_from_slice(family.name.as_bytes());
        let mut before: &[u8] = b"{";
        for label in family.labels {
            self.text.extend_from_slice(before);
            self.text.extend_from_slice(label.as_bytes());
            self.text.extend_from_slice(b"=\"");
            self.ends.push(self.text.len());
            before = b"\",";
        }
        let behind: &[u8] = if self.ends.is_empty() { b" " } else { b"\"} " };
        self.text.extend_from_slice(behind);
    }

    /// A line up to where the value of the label at `place` is to stand; returns
    /// where the piece behind that value begins.
    fn up_to(&self, line: &mut Vec<u8>, values: &[&str], place: usize) -> usize {
        let mut begin = 0;
        for (&end, value) in self.ends.iter().zip(values).take(place) {
            self.piece(line, begin..end);
            escape(line, value);
            begin = end;
        }
        let end = self.ends.get(place).copied().unwrap_or(begin);
        self.piece(line, begin..end);
        end
    }

    /// A line up to its number, from the label at `place` on, whose piece begins
    /// at `begin`.
    fn rest(&self, line: &mut Vec<u8>, values: &[&str], place: usize, mut begin: usize) {
        for (&end, value) in self.ends.iter().zip(values).skip(place) {
            self.piece(line, begin..end);
            escape(line, value);
            begin = end;
        }
        self.piece(line, begin..self.text.len());
    }

    fn piece(&self, line: &mut Vec<u8>, piece: Range<usize>) {
        line.extend_from_slice(self.text.get(piece).unwrap_or_default());
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
    use std::io::Read as _;

    use flate2::read::GzDecoder;
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
    fn each_familys_lines_have_its_own_name_and_labels() {
        let mut text = Text::new(Body::new(Coding::Identity), false);
        text.family(&f::CONTAINER_SECONDS);
        let values = ["id", "web", "crio", "running", "uid", "node"];
        text.sample(&f::CONTAINER_SECONDS, &values, 0.5);
        text.family(&f::CYCLES);
        text.sample(&f::CYCLES, &["node"], 1.0);
        text.sample(&f::CYCLES, &[""], 2.0);
        let bytes = text.finish().finish().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "kepler_container_cpu_seconds_total{container_id=\"id\",container_name=\"web\",\
                 runtime=\"crio\",state=\"running\",pod_id=\"uid\",node_name=\"node\"} 0.5",
                "tanso_cycles_total{node_name=\"node\"} 1",
                "tanso_cycles_total{node_name=\"\"} 2",
            ]
        );
    }

    #[test]
    fn lines_that_differ_in_one_label_are_as_if_written_one_by_one() {
        let values = ["i\"d", "web", "crio", "running", "", "uid", "no\\de"];
        let figures = [("package", 1.5), ("a\nb", 0.25), ("", 3.0)];
        let family = f::CONTAINER_JOULES;
        for place in 0..values.len() {
            let mut apart = Text::new(Body::new(Coding::Identity), true);
            apart.family(&family);
            // More than what is gathered before it is compressed.
            for &(label, value) in figures.iter().cycle().take(3 * 200) {
                let mut all = values;
                all[place] = label;
                apart.sample(&family, &all, value);
            }
            let apart = apart.finish().finish().unwrap();
            for coding in [Coding::Identity, Coding::Gzip] {
                let mut together = Text::new(Body::new(coding), true);
                together.family(&family);
                for _ in 0..200 {
                    together.each(&family, &values, place, &mut figures.into_iter());
                }
                let mut together = together.finish().finish().unwrap();
                if coding == Coding::Gzip {
                    let mut plain = Vec::new();
                    GzDecoder::new(together.as_slice())
                        .read_to_end(&mut plain)
                        .unwrap();
                    together = plain;
                }
                assert!(together == apart, "{coding:?}, label {place}");
            }
        }
        let mut none = Text::new(Body::new(Coding::Identity), false);
        none.family(&family);
        none.each(&family, &values, 4, &mut std::iter::empty::<(&str, f64)>());
        assert!(none.finish().finish().unwrap().is_empty());
    }

    #[test]
    fn a_family_without_labels_has_no_braces() {
        let bare = Family {
            labels: &[],
            ..f::CYCLES
        };
        let mut text = Text::new(Body::new(Coding::Identity), false);
        text.family(&bare);
        text.sample(&bare, &[], 3.0);
        let bytes = text.finish().finish().unwrap();
        assert!(bytes.ends_with(b"\ntanso_cycles_total 3\n"));
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
