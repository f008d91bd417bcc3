//! Observe and validate: what a study's arms apply, and the trials that the
//! ledger has of it. Nothing is written to the cluster here.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt as _};
use tanso_carbon::study::Trials;
use tanso_carbon::study::trial::csv_header;
use tanso_carbon::table::TableFaults;
use tanso_crds::condition::reasons;
use tanso_crds::energy_study::{Applies, ManifestsSpec};

use super::super::StudyFault;
use super::super::validate::{self, ArmTexts, ValidatedStudy};
use super::Visit;
use crate::cluster::apply::bounded;
use crate::ledger::study::{self as kept, StudyRecord};

/// Checked, with the trials so far; or the reason and message of what is wrong.
pub(super) type Prepared = Result<(ValidatedStudy, Trials), (&'static str, String)>;

impl Visit<'_> {
    /// Observe and validate.
    pub(super) async fn prepare(&self) -> Result<Prepared, StudyFault> {
        let texts = match self.texts().await? {
            Ok(texts) => texts,
            Err(faults) => return Ok(Err((reasons::NOT_FOUND, faults.join("; ")))),
        };
        let (namespace, name) = (self.namespace(), self.study.name_any());
        let year = TimeZone::UTC.to_datetime(self.now).year();
        let told = format!("{namespace}/{name}");
        let checked = match validate::validate(&self.study.spec, texts, &told, year) {
            Ok(checked) => checked,
            Err(faults) => return Ok(Err((reasons::INVALID_SPEC, faults.join("; ")))),
        };
        let record = StudyRecord {
            study: self.uid(),
            namespace,
            name,
            plan: serde_json::to_string(&checked.plan)
                .map_err(|error| StudyFault::Evaluation(error.to_string()))?,
            digest: checked.digest.clone(),
            header: csv_header(&checked.responses()),
        };
        let (now, header) = (self.now, record.header.clone());
        let (begun, figures) = self
            .context
            .ledger
            .call(move |connection| {
                let begun = kept::begin(connection, &record, now)?;
                Ok((begun, kept::figures(connection, &record.study)?))
            })
            .await?;
        if begun.digest != checked.digest {
            let message = "what the arms apply has changed since the first trial: put the ConfigMaps back, or make another study";
            return Ok(Err((reasons::INVALID_INPUT, message.to_owned())));
        }
        if begun.header != header {
            let message = "another version of tanso began the study, with other columns of figures: take its report and make another study";
            return Ok(Err((reasons::INVALID_INPUT, message.to_owned())));
        }
        let checked = checked
            .as_begun(&begun.plan)
            .map_err(|fault| StudyFault::Evaluation(fault.to_string()))?;
        let trials = Trials::parse("the study's figures", &figures)?;
        Ok(Ok((checked, trials)))
    }

    /// The texts of all arms; or what is missing.
    async fn texts(&self) -> Result<Result<BTreeMap<String, ArmTexts>, Vec<String>>, StudyFault> {
        let (mut texts, mut faults) = (BTreeMap::new(), Vec::new());
        let mut found: BTreeMap<String, Option<ConfigMap>> = BTreeMap::new();
        for arm in &self.study.spec.arms {
            let ours = arm.changes.as_ref().filter(|one| one.by == Applies::Study);
            let parts = [
                ("setUp", arm.set_up.as_ref()),
                ("clearUp", arm.clear_up.as_ref()),
                ("changes.source", ours.and_then(|one| one.source.as_ref())),
            ];
            let mut read = Vec::new();
            for (field, spec) in parts {
                let text = match spec {
                    Some(spec) => self.text(spec, &mut found).await?,
                    None => Ok(None),
                };
                read.push(text.unwrap_or_else(|fault| {
                    faults.push(format!("spec.arms[{}].{field}: {fault}", arm.name));
                    None
                }));
            }
            let mut read = read.into_iter();
            let mut next = || read.next().flatten();
            let all = ArmTexts {
                set_up: next(),
                clear_up: next(),
                change: next(),
            };
            texts.insert(arm.name.clone(), all);
        }
        Ok(if faults.is_empty() {
            Ok(texts)
        } else {
            Err(faults)
        })
    }

    async fn text(
        &self,
        spec: &ManifestsSpec,
        found: &mut BTreeMap<String, Option<ConfigMap>>,
    ) -> Result<Result<Option<String>, String>, StudyFault> {
        let Some(named) = &spec.config_map else {
            return Ok(Ok(spec.manifests.clone()));
        };
        if !found.contains_key(&named.name) {
            let api: Api<ConfigMap> =
                Api::namespaced(self.context.client.clone(), &self.namespace());
            let name = &named.name;
            let read = bounded::<ConfigMap, _>("get", name, api.get_opt(name)).await?;
            found.insert(named.name.clone(), read);
        }
        let Some(map) = found.get(&named.name).and_then(Option::as_ref) else {
            return Ok(Err(format!("there is no ConfigMap \"{}\"", named.name)));
        };
        let text = map.data.as_ref().and_then(|data| data.get(&named.key));
        let missing = || format!("ConfigMap \"{}\" has no key \"{}\"", named.name, named.key);
        Ok(text.cloned().map(Some).ok_or_else(missing))
    }
}

impl From<TableFaults> for StudyFault {
    fn from(faults: TableFaults) -> Self {
        Self::Evaluation(faults.to_string())
    }
}
