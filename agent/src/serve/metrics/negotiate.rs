//! What a reader asked for: format and coding, by its headers.
//!
//! Nothing asked, or nothing known: Prometheus' plain text, as Kepler answers.

use axum::http::{HeaderMap, HeaderName, header};

use super::sink::{Coding, Format};

/// The format that `Accept` prefers; of equals the first.
#[must_use]
pub fn format(headers: &HeaderMap) -> Format {
    best(headers, &header::ACCEPT, known).unwrap_or(Format::Plain)
}

/// The coding that `Accept-Encoding` allows.
#[must_use]
pub fn coding(headers: &HeaderMap) -> Coding {
    let gzip = |item: &Item<'_>| {
        item.name
            .eq_ignore_ascii_case("gzip")
            .then_some(Coding::Gzip)
    };
    best(headers, &header::ACCEPT_ENCODING, gzip).unwrap_or(Coding::Identity)
}

/// One alternative of a header.
struct Item<'a> {
    name: &'a str,
    parameters: &'a str,
}

impl Item<'_> {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            let value = value.trim().trim_matches('"');
            key.trim().eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn best<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    known: impl Fn(&Item<'_>) -> Option<T>,
) -> Option<T> {
    let mut best: Option<(f32, T)> = None;
    let values = headers.get_all(name).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    for alternative in texts.flat_map(|text| text.split(',')) {
        let (name, parameters) = alternative.split_once(';').unwrap_or((alternative, ""));
        let item = Item {
            name: name.trim(),
            parameters,
        };
        let weight = item
            .parameter("q")
            .map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if weight <= 0.0 || best.as_ref().is_some_and(|(other, _)| weight <= *other) {
            continue;
        }
        if let Some(found) = known(&item) {
            best = Some((weight, found));
        }
    }
    best.map(|(_, found)| found)
}

fn known(item: &Item<'_>) -> Option<Format> {
    match item.name.to_ascii_lowercase().as_str() {
        "application/openmetrics-text" => matches!(
            item.parameter("version"),
            None | Some("" | "0.0.1" | "1.0.0")
        )
        .then_some(Format::OpenMetrics),
        "application/vnd.google.protobuf" => (item.parameter("proto")
            == Some("io.prometheus.client.MetricFamily")
            && item.parameter("encoding") == Some("delimited"))
        .then_some(Format::Protobuf),
        "text/plain" | "text/*" | "*/*" => Some(Format::Plain),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        format(&headers)
    }

    #[test]
    fn prometheus_gets_what_it_prefers() {
        let two = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(asked(two), Format::OpenMetrics);
        let three = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.2";
        assert_eq!(asked(three), Format::Protobuf);
        assert_eq!(asked("text/plain;version=0.0.4"), Format::Plain);
    }

    #[test]
    fn what_is_unknown_refused_or_absent_is_plain_text() {
        for accept in [
            "application/json",
            "text/html,*/*;q=0.8",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/vnd.google.protobuf;encoding=text",
            "application/openmetrics-text;q=much",
            ";;;,,=,q=",
        ] {
            assert_eq!(asked(accept), Format::Plain, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), Format::Plain);
    }

    #[test]
    fn gzip_is_used_only_where_it_is_accepted() {
        let coding_of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, text.parse().unwrap());
            coding(&headers)
        };
        assert_eq!(coding_of("br, gzip;q=0.5"), Coding::Gzip);
        assert_eq!(coding_of("gzip;q=0"), Coding::Identity);
        assert_eq!(coding_of("identity"), Coding::Identity);
    }
}
