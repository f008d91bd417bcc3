//! The server's own metrics.

use std::fmt;
use std::time::Instant;

use axum::http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

use crate::select::Selector;
use crate::train::InService;

/// Labels of a fixed set of names and values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Labels(Vec<(&'static str, String)>);

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        self.0
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect::<Vec<_>>()
            .encode(encoder)
    }
}

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    answers: Family<Labels, Counter>,
    refusals: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram>,
    samples: Family<Labels, Counter>,
    not_kept: Counter,
    learned: Gauge,
    drifting: Gauge,
}

impl Metrics {
    pub(super) fn new(selector: &Selector) -> Self {
        let mut registry = Registry::with_prefix("tanso_model_server");
        let answers = Family::<Labels, Counter>::default();
        let refusals = Family::<Labels, Counter>::default();
        let seconds = Family::<Labels, Histogram>::new_with_constructor(|| {
            Histogram::new([
                0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25,
            ])
        });
        registry.register(
            "answers",
            "Models given out, by route and tier",
            answers.clone(),
        );
        registry.register(
            "refusals",
            "Requests refused, by route and status",
            refusals.clone(),
        );
        registry.register_with_unit(
            "answer_duration",
            "Time to pick or make a model",
            Unit::Seconds,
            seconds.clone(),
        );
        let samples = Family::<Labels, Counter>::default();
        registry.register(
            "samples",
            "Samples of measured nodes, by what became of them",
            samples.clone(),
        );
        let not_kept = Counter::default();
        registry.register(
            "documents_not_kept",
            "Models given out that the store had no time for: they are known by digest until the server ends",
            not_kept.clone(),
        );
        let learned = Gauge::<i64>::default();
        registry.register(
            "learned_models",
            "Node types that a learned model serves",
            learned.clone(),
        );
        let drifting = Gauge::<i64>::default();
        registry.register(
            "drifting_models",
            "Node types whose nodes draw other power than their learned model says, and no better model is found yet",
            drifting.clone(),
        );
        let rows = Family::<Labels, Gauge>::default();
        registry.register(
            "catalog_rows",
            "Rows of the bundled tables, by file and state",
            rows.clone(),
        );
        for file in &selector.catalog().files {
            for (state, count) in [("accepted", file.accepted), ("refused", file.refused)] {
                let labels = Labels(vec![
                    ("file", file.file.to_owned()),
                    ("state", state.to_owned()),
                ]);
                rows.get_or_create(&labels)
                    .set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        let error = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        registry.register(
            "tier_error_ratio",
            "Mean absolute error on machines left out, by tier",
            error.clone(),
        );
        for assessed in selector.assessed() {
            let labels = Labels(vec![
                ("tier", assessed.tier.name().to_owned()),
                ("sees", assessed.tier.sees().to_owned()),
            ]);
            error
                .get_or_create(&labels)
                .set(assessed.score.mape_percent / 100.0);
        }
        Self {
            registry,
            answers,
            refusals,
            seconds,
            samples,
            not_kept,
            learned,
            drifting,
        }
    }

    pub(super) fn answered(&self, route: &'static str, tier: &'static str, begun: Instant) {
        let labels = Labels(vec![("route", route.to_owned()), ("tier", tier.to_owned())]);
        self.answers.get_or_create(&labels).inc();
        let labels = Labels(vec![("route", route.to_owned())]);
        self.seconds
            .get_or_create(&labels)
            .observe(begun.elapsed().as_secs_f64());
    }

    pub(super) fn refused(&self, route: &'static str, status: StatusCode) {
        let labels = Labels(vec![
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ]);
        self.refusals.get_or_create(&labels).inc();
    }

    pub(super) fn sampled(&self, accepted: u64, duplicates: u64) {
        for (state, count) in [("accepted", accepted), ("duplicate", duplicates)] {
            let labels = Labels(vec![("state", state.to_owned())]);
            self.samples.get_or_create(&labels).inc_by(count);
        }
    }

    pub(super) fn not_kept(&self) {
        self.not_kept.inc();
    }

    pub(super) fn text(&self, in_service: &InService) -> Result<String, fmt::Error> {
        let learned = in_service.digests().len();
        self.learned.set(i64::try_from(learned).unwrap_or(i64::MAX));
        let drifting = in_service.drifting();
        self.drifting
            .set(i64::try_from(drifting).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
