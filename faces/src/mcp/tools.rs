//! The tools: a name, a question's schema, an answer's schema, and the
//! function between. Plain functions: no protocol here.

use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::clean::{clean, long};
use crate::answer::{
    AnswerFault, assess, compare, explain, list, power, regions, report, schedule,
};
use crate::view::{Facts, FactsFault};

/// A JSON object.
pub type Object = Map<String, Value>;

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The answer, as its schema says.
    pub structured: Value,
    /// The answer in words.
    pub text: String,
}

type Call = for<'a> fn(&'a dyn Facts, Value) -> BoxFuture<'a, Result<Answered, AnswerFault>>;

/// A tool.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it does and when to use it.
    pub description: &'static str,
    /// The schema of its arguments.
    pub input: Object,
    /// The schema of its answer.
    pub output: Object,
    call: Call,
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A tool from an answering function and the field that says it in words.
macro_rules! tool {
    ($name:literal, $title:literal, $room:ident :: $function:ident -> $answer:ident . $words:ident, $description:literal) => {
        Tool {
            name: $name,
            title: $title,
            description: $description,
            input: schema::<$room::Question>(false),
            output: schema::<$room::$answer>(true),
            call: |facts, arguments| {
                Box::pin(async move {
                    let question: $room::Question = question(arguments)?;
                    let answer = $room::$function(facts, &question).await?;
                    answered(&answer, answer.$words.clone())
                })
            },
        }
    };
}

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    vec![
        tool!(
            "assess_workload_compliance",
            "Assess a workload's carbon compliance",
            assess::assess -> Assessment.summary,
            "Whether one Kubernetes workload keeps the carbon rules of its policies: verdict with reason, energy and emissions with 90 % bounds, effective grid intensity, PUE verdict, provenance (measured, modelled, simulated) and recommendations. The numbers are those of the policy's status. With window, region, zone or standards it is also judged under those conditions (whatIf)."
        ),
        tool!(
            "compare_optimization_impact",
            "Compare what changes would save",
            compare::compare -> Comparison.summary,
            "What changes of a workload would save: shift by hours, move to a region, use less energy, resize requests, fewer replicas. The workload's own hours are run through again with each change alone and with all together, and judged again: before, after, saving with bounds, verdict before and after. Savings are never added up."
        ),
        tool!(
            "list_workloads_by_compliance",
            "List workloads by compliance",
            list::list -> Page.summary,
            "The workloads that you may see with their verdicts, emissions and largest saving, a page at a time: filter by namespace, verdict, policy or rule, sort by emissions, energy, intensity, saving or name. Start here to find what breaks a target."
        ),
        tool!(
            "get_regional_comparison",
            "Compare cloud regions",
            regions::regions -> Comparison.summary,
            "What a workload's energy (or a given amount) would emit in other cloud regions: grid intensity now, over the last and the next day, PUE with its evidence, emissions, the verdict there, and what stands against going there (residency, latency, the policy's list)."
        ),
        tool!(
            "calculate_optimal_schedule",
            "Find the cleanest time for a job",
            schedule::schedule -> Plan.summary,
            "When to run a job: the start with the least emissions between an earliest time and a deadline, what it saves against now and against the average, the whole curve by the hour, and the schedule line for a CronJob with its time zone. For a workload its mean run is used; else give durationMinutes, powerWatts and a zone or region."
        ),
        tool!(
            "explain_verdict",
            "Explain a verdict",
            explain::explain -> Explanation.text,
            "Why a workload or a policy has its verdict: the formula with the numbers filled in, the evidence against what the policy demands, each rule with document and clause, and what is in the way."
        ),
        report_tool(),
        tool!(
            "get_power",
            "Tell who uses how much power",
            power::power -> Power.summary,
            "Mean power by workload, namespace or node in the newest booked hour, largest first, with the share that was measured, and what the PowerMonitors say of the whole cluster."
        ),
    ]
});

/// The report's own text stays as it was sealed: it is clean of what steers,
/// and a letter less would break its digest.
fn report_tool() -> Tool {
    Tool {
        name: "generate_report",
        title: "Write the report of a policy",
        description: "What a regulator or auditor gets of one policy: scope, period, method, energy with provenance, intensity sources and gaps, PUE with its evidence, the verdict of each rule with clause and source, reduction path, uncertainty, digests of all inputs and the commands that compute it again. As Markdown, HTML for print, CSV or JSON, in English (en) or Korean (ko), sealed with its digest. Of the policy's window with the status' own numbers, or of a day, month, year or any hours, computed anew. Long reports come in parts: ask for part 2 and on with the same arguments, and put them together unchanged.",
        input: schema::<report::Question>(false),
        output: schema::<report::Answer>(true),
        call: |facts, arguments| {
            Box::pin(async move {
                let question: report::Question = question(arguments)?;
                let mut answer = report::report(facts, &question).await?;
                let text = std::mem::take(&mut answer.text);
                let summary = answer.summary.clone();
                let mut found = answered(&answer, summary)?;
                if let Some(fields) = found.structured.as_object_mut() {
                    fields.insert("text".to_owned(), Value::String(text));
                }
                Ok(found)
            })
        },
    }
}

/// Every tool, always in this order.
#[must_use]
pub fn tools() -> &'static [Tool] {
    &TOOLS
}

/// The tool of a name.
#[must_use]
pub fn tool(name: &str) -> Option<&'static Tool> {
    tools().iter().find(|tool| tool.name == name)
}

impl Tool {
    /// Asks the tool.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call(&self, facts: &dyn Facts, arguments: Value) -> Result<Answered, AnswerFault> {
        let answer = AssertUnwindSafe((self.call)(facts, arguments));
        // Nothing of the question is left behind. Without an answer its caller
        // would wait for ever.
        answer.catch_unwind().await.unwrap_or_else(|_| {
            Err(AnswerFault::Facts(FactsFault::Broken {
                what: format!("the tool {}", self.name),
                reason: "it failed at this question; please report both".to_owned(),
            }))
        })
    }
}

fn question<Q: DeserializeOwned>(arguments: Value) -> Result<Q, AnswerFault> {
    serde_json::from_value(arguments).map_err(|fault| AnswerFault::Unfit {
        field: "arguments",
        why: format!(
            "{}; accepted is what the tool's input schema says",
            super::clean::line(&fault.to_string())
        ),
    })
}

fn answered<A: Serialize>(answer: &A, text: String) -> Result<Answered, AnswerFault> {
    let mut structured = serde_json::to_value(answer).map_err(|fault| AnswerFault::NotKnown {
        what: "the answer".to_owned(),
        reason: fault.to_string(),
    })?;
    // What is written in words of ours is made of many texts of the cluster.
    let words = structured.get_mut("text").map(Value::take);
    clean(&mut structured);
    if let (Some(Value::String(words)), Some(fields)) = (words, structured.as_object_mut()) {
        fields.insert("text".to_owned(), Value::String(long(words)));
    }
    Ok(Answered {
        structured,
        text: long(text),
    })
}

/// The schema of a type, without what only an API server or a compiler reads.
fn schema<T: JsonSchema>(is_answer: bool) -> Object {
    let settings = SchemaSettings::draft2020_12();
    let settings = if is_answer {
        settings.for_serialize()
    } else {
        settings.for_deserialize()
    };
    let mut value = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    strip(&mut value);
    match value {
        Value::Object(fields) => fields,
        _ => Object::new(),
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // Widths of numbers are no formats of JSON Schema: validators complain of them.
            let is_width = |key: &str, value: &Value| {
                let text = value.as_str().unwrap_or_default();
                key == "format"
                    && ["uint", "int", "double", "float"]
                        .iter()
                        .any(|word| text.starts_with(word))
            };
            fields.retain(|key, value| !key.starts_with("x-kubernetes") && !is_width(key, value));
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}
