//! A query that gives one number: a facility's PUE from its meters, or how
//! many units of work were served.

use serde::Deserialize;
use serde_json::Value;

use crate::reading::AnswerFault;
use crate::service::{Ask, json, query};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Page {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

/// Asks for the query's value now.
#[must_use]
pub fn ask(promql: &str) -> Ask {
    Ask {
        what: "number",
        path: format!("/api/v1/query?{}", query(&[("query", promql)])),
        header: None,
        is_optional: false,
    }
}

/// Reads a scalar, or a vector of one sample.
///
/// # Errors
/// If it is neither, or no finite number.
pub fn read(body: &[u8]) -> Result<f64, AnswerFault> {
    let page: Page = json(body)?;
    let Some(data) = page.data.filter(|_| page.status == "success") else {
        let why = page.error.unwrap_or(page.status);
        return Err(AnswerFault::Shape(why.chars().take(200).collect()));
    };
    let sample = match (data.result_type.as_str(), &data.result) {
        ("scalar", sample) => sample,
        ("vector", Value::Array(samples)) => match samples.as_slice() {
            [one] => &one["value"],
            many => {
                return Err(AnswerFault::Shape(format!(
                    "{} samples, expected 1: add labels or an aggregation to the query",
                    many.len()
                )));
            }
        },
        (other, _) => {
            return Err(AnswerFault::Shape(format!(
                "a {other}, expected a scalar or a vector of one sample"
            )));
        }
    };
    // [time, "figure"]
    let figure = sample.get(1).and_then(Value::as_str);
    let figure = figure.and_then(|text| text.parse::<f64>().ok());
    figure
        .filter(|figure| figure.is_finite())
        .ok_or_else(|| AnswerFault::Shape(format!("{sample} is no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, result: &str) -> Result<f64, String> {
        let body =
            format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
        read(body.as_bytes()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn one_number_is_read_and_nothing_else() {
        assert_eq!(of("scalar", r#"[1718380800, "1.42"]"#), Ok(1.42));
        let one = r#"[{"metric":{},"value":[1718380800.5, "125000"]}]"#;
        assert_eq!(of("vector", one), Ok(125_000.0));
        let refused = |kind, result| of(kind, result).unwrap_err();
        assert!(refused("vector", "[]").contains("0 samples"));
        assert!(refused("scalar", r#"[1, "NaN"]"#).contains("no number"));
        assert!(refused("matrix", "[]").contains("a matrix"));
        let error = br#"{"status":"error","error":"parse error at char 3"}"#;
        let refused = read(error).unwrap_err().to_string();
        assert!(refused.contains("parse error"), "{refused}");
    }

    #[test]
    fn the_query_is_encoded() {
        let asked = ask(r#"sum(increase(http_requests_total{namespace="shop"}[24h]))"#);
        assert!(
            asked.path.starts_with("/api/v1/query?query=sum%28"),
            "{}",
            asked.path
        );
    }
}
