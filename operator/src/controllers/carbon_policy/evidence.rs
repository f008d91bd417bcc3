//! A report's inputs as plain data, and the report made again from them.
//!
//! Whatever an evaluation was made from is kept beside the ledger: spec, texts
//! of rules and tables, what services and queries answered, rows, names, the
//! cluster. Made again, the report must be the same to the last digit, and its
//! inputs must have the digests of then; what does not is named.

mod energy;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::regions::Region;
use tanso_carbon::report::Digest;
use tanso_crds::{CarbonPolicySpec, CarbonReportSpec};
use tanso_intensity::places;
use tanso_intensity::table::Table;

use self::energy::{ClusterRecord, EnergyRecord, NamesRecord};
use super::apply::{self, Owner};
use super::judge::{self, Evaluation, Inputs};
use super::validate::{self, Observed, Sources};
use crate::intensity::Asked;
use crate::intensity::record::AskedRecord;
use crate::regulations::Rules;

/// The form that is written.
const VERSION: u8 = 1;

/// Most rows whose report can be made again: ten times the pods of a node for
/// a month. Larger ones keep their digests only.
const ROWS_MAX: usize = 80_000;

/// Most bytes that are unpacked.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A file's name and text, or why there was none.
type Text = Result<(String, String), String>;

/// A number in its shortest exact form, or why there was none.
type Figure = Result<String, String>;

/// A provider and its region.
type RegionName = (String, String);

/// What an evaluation was made from, beside ledger and cluster.
#[derive(Clone)]
pub(super) struct Given {
    /// `namespace/name` of the policy; of a cluster's one `/name`.
    pub(super) policy: String,
    /// The namespaces it sees; `None` for all.
    pub(super) namespaces: Option<BTreeSet<String>>,
    pub(super) spec: CarbonPolicySpec,
    pub(super) table: Option<Result<Table, String>>,
    pub(super) asked: Asked,
    pub(super) rules: Vec<(String, String)>,
    pub(super) year: i16,
    pub(super) observed: Observed,
}

/// The inputs, part by part.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts {
    spec: CarbonPolicySpec,
    rules: Vec<(String, String)>,
    tables: (Option<Text>, Option<Text>),
    /// Tables of other zones than the policy's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    zone_tables: BTreeMap<String, Text>,
    queries: (Option<Figure>, Option<Figure>),
    regions: BTreeMap<String, RegionName>,
    /// Where nodes were later that moved; absent where none did, as in records of before, whose digests
    /// stay so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    moved: BTreeMap<String, Vec<(UtcHour, Option<RegionName>)>>,
    intensity: AskedRecord,
    cluster: ClusterRecord,
    energy: EnergyRecord,
    names: NamesRecord,
}

/// A report's inputs and what it said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    version: u8,
    software: String,
    policy: String,
    namespaces: Option<BTreeSet<String>>,
    year: i16,
    data_through: Timestamp,
    parts: Parts,
    /// Digest of each part when the report was made.
    digests: BTreeMap<String, String>,
    /// Digest of all inputs, as in the report.
    inputs_digest: String,
    /// Digest of the report's pages.
    pages_digest: String,
}

/// Why a report cannot be made again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceFault {
    /// The bytes are none of this program's.
    #[error("what the report was made from cannot be read: {0}; restore the ledger from a backup")]
    Unreadable(String),
    /// The inputs are no longer accepted.
    #[error("the inputs of then are refused by this version ({running}; made by {made_by}): {why}")]
    Refused {
        /// The version that made the report.
        made_by: String,
        /// This version.
        running: &'static str,
        /// Why.
        why: String,
    },
}

/// Two figures that must be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// What is compared.
    pub what: String,
    /// As it was when the report was made.
    pub recorded: String,
    /// As it is made again.
    pub found: String,
    /// Whether they are the same.
    pub equal: bool,
}

impl Compared {
    fn new(what: &str, recorded: &str, found: &str) -> Self {
        Self {
            what: what.to_owned(),
            equal: recorded == found,
            recorded: recorded.to_owned(),
            found: found.to_owned(),
        }
    }
}

/// A report that was made again.
#[derive(Clone, Debug)]
pub struct MadeAgain {
    /// The version that made it first.
    pub software: String,
    /// Each part of the inputs, all of them together, and the pages.
    pub compared: Vec<Compared>,
    /// Its pages.
    pub pages: Vec<CarbonReportSpec>,
    /// The period of its window.
    pub window: tanso_carbon::Period,
    /// Energy of all rows by the hour, of hours that were over, microjoules.
    pub energy_by_hour: BTreeMap<UtcHour, u128>,
    /// The namespaces that the policy saw; `None` for all.
    pub namespaces: Option<BTreeSet<String>>,
}

/// The bytes to keep of an evaluation; `None` if it has too many rows.
pub(super) fn pack(given: &Given, inputs: &Inputs<'_>, evaluation: &Evaluation) -> Option<Vec<u8>> {
    let rows = inputs.snapshot.rows.len() + inputs.snapshot.earlier.len();
    if rows > ROWS_MAX {
        return None;
    }
    let parts = Parts::of(given, inputs);
    let record = Record {
        version: VERSION,
        software: env!("CARGO_PKG_VERSION").to_owned(),
        policy: given.policy.clone(),
        namespaces: given.namespaces.clone(),
        year: given.year,
        data_through: inputs.data_through,
        digests: parts.digests(),
        inputs_digest: evaluation.inputs_digest.to_string(),
        pages_digest: digest_of(&pages(&given.policy, evaluation, inputs)),
        parts,
    };
    let json = serde_json::to_vec(&record).ok()?;
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&json).ok()?;
    packed.finish().ok()
}

/// Makes a report again from its kept bytes.
///
/// # Errors
/// If they are none, or this version refuses what they hold.
pub fn make_again(bytes: &[u8]) -> Result<MadeAgain, EvidenceFault> {
    let record = read(bytes)?;
    let refused = |why: String| EvidenceFault::Refused {
        made_by: record.software.clone(),
        running: env!("CARGO_PKG_VERSION"),
        why,
    };
    let parts = &record.parts;
    let asked = parts.intensity.asked().map_err(refused)?;
    let files = parts.rules.iter();
    let rules = Rules::default().with(files.map(|(file, text)| (file.as_str(), text.as_str())));
    let observed = parts.observed().map_err(refused)?;
    let sources = Sources {
        table: parts.tables.0.clone().map(table_of),
        asked: &asked,
        rules: &rules,
        year: record.year,
        observed: &observed,
    };
    let policy = validate::validate(&parts.spec, &sources).map_err(|faults| {
        let all: Vec<_> = faults.iter().map(ToString::to_string).collect();
        refused(all.join("; "))
    })?;
    let snapshot = parts.energy.snapshot(&parts.names).map_err(refused)?;
    let inputs = Inputs {
        policy: &policy,
        snapshot: &snapshot,
        facts: &parts.cluster,
        window: judge::window(record.data_through, policy.window_hours),
        data_through: record.data_through,
        expected_nodes: &parts.cluster.expected_nodes,
        idle_sharing: &parts.cluster.idle_sharing,
        is_whole: parts.cluster.is_whole,
    };
    let evaluation = judge::judge(&inputs);
    let pages = pages(&record.policy, &evaluation, &inputs);
    let found = parts.digests();
    let nothing = String::new();
    let mut compared: Vec<_> = record
        .digests
        .iter()
        .map(|(part, recorded)| Compared::new(part, recorded, found.get(part).unwrap_or(&nothing)))
        .collect();
    let digest = evaluation.inputs_digest.to_string();
    compared.push(Compared::new("allInputs", &record.inputs_digest, &digest));
    let digest = digest_of(&pages);
    compared.push(Compared::new("pages", &record.pages_digest, &digest));
    Ok(MadeAgain {
        compared,
        pages,
        window: inputs.window,
        energy_by_hour: parts.energy.by_hour(inputs.window.until.plus_hours(-1)),
        software: record.software.clone(),
        namespaces: record.namespaces.clone(),
    })
}

fn read(bytes: &[u8]) -> Result<Record, EvidenceFault> {
    let fault = |why: String| EvidenceFault::Unreadable(why);
    let mut json = Vec::new();
    DeflateDecoder::new(bytes)
        .take(BYTES_MAX)
        .read_to_end(&mut json)
        .map_err(|source| fault(source.to_string()))?;
    let record: Record =
        serde_json::from_slice(&json).map_err(|source| fault(source.to_string()))?;
    if record.version == VERSION {
        Ok(record)
    } else {
        Err(fault(format!(
            "form {}, known is {VERSION}",
            record.version
        )))
    }
}

/// The pages of a report without what belongs to its objects.
fn pages(policy: &str, evaluation: &Evaluation, inputs: &Inputs<'_>) -> Vec<CarbonReportSpec> {
    let name = policy.rsplit('/').next().unwrap_or_default();
    let owner = Owner {
        name: name.to_owned(),
        ..Owner::default()
    };
    let pages = apply::pages(
        &owner,
        evaluation,
        inputs.data_through,
        inputs.snapshot.revision,
    );
    pages.into_iter().map(|page| page.spec).collect()
}

fn digest_of(part: &impl Serialize) -> String {
    // Plain data always encodes.
    Digest::of_text(&serde_json::to_string(part).unwrap_or_default()).to_string()
}

fn text_of(found: &Result<Table, String>) -> Text {
    match found {
        Ok(table) => Ok((table.file.clone(), table.text.clone())),
        Err(why) => Err(why.clone()),
    }
}

fn table_of(text: Text) -> Result<Table, String> {
    text.map(|(file, text)| Table { file, text })
}

impl Parts {
    fn of(given: &Given, inputs: &Inputs<'_>) -> Self {
        let observed = &given.observed;
        let regions = observed.node_regions.iter();
        Self {
            spec: given.spec.clone(),
            rules: given.rules.clone(),
            tables: (
                given.table.as_ref().map(text_of),
                observed.contracts.as_ref().map(text_of),
            ),
            zone_tables: observed
                .zone_tables
                .iter()
                .map(|(zone, table)| (zone.clone(), text_of(table)))
                .collect(),
            queries: (
                observed.pue.as_ref().map(figure_of),
                observed.units.as_ref().map(figure_of),
            ),
            regions: regions
                .map(|(node, region)| (node.clone(), name_of(region)))
                .collect(),
            moved: observed
                .moved
                .iter()
                .map(|(node, later)| {
                    let later = later.iter();
                    let later = later.map(|(since, region)| (*since, region.map(name_of)));
                    (node.clone(), later.collect())
                })
                .collect(),
            intensity: given.asked.record(UtcHour::containing(inputs.data_through)),
            cluster: ClusterRecord::of(inputs),
            energy: EnergyRecord::of(inputs.snapshot),
            names: NamesRecord::of(inputs.snapshot),
        }
    }

    fn digests(&self) -> BTreeMap<String, String> {
        let parts = [
            ("spec", digest_of(&self.spec)),
            ("rules", digest_of(&self.rules)),
            ("tables", digest_of(&self.tables)),
            ("zoneTables", digest_of(&self.zone_tables)),
            ("queries", digest_of(&self.queries)),
            ("regions", digest_of(&self.regions)),
            ("moved", digest_of(&self.moved)),
            ("intensity", digest_of(&self.intensity)),
            ("cluster", digest_of(&self.cluster)),
            ("energy", digest_of(&self.energy)),
            ("names", digest_of(&self.names)),
        ];
        let named = parts.into_iter();
        named
            .map(|(part, digest)| (part.to_owned(), digest))
            .collect()
    }

    fn observed(&self) -> Result<Observed, String> {
        let mut node_regions = BTreeMap::new();
        for (node, name) in &self.regions {
            node_regions.insert(node.clone(), region_of(name)?);
        }
        let mut moved = BTreeMap::new();
        for (node, later) in &self.moved {
            let mut regions = Vec::with_capacity(later.len());
            for (since, name) in later {
                regions.push((*since, name.as_ref().map(region_of).transpose()?));
            }
            moved.insert(node.clone(), regions);
        }
        Ok(Observed {
            // Told in a status, and in no report.
            unplaced: BTreeMap::new(),
            contracts: self.tables.1.clone().map(table_of),
            zone_tables: self
                .zone_tables
                .iter()
                .map(|(zone, text)| (zone.clone(), table_of(text.clone())))
                .collect(),
            pue: self.queries.0.as_ref().map(number_of).transpose()?,
            units: self.queries.1.as_ref().map(number_of).transpose()?,
            node_regions,
            moved,
        })
    }
}

fn name_of(region: &Region) -> RegionName {
    (region.provider.clone(), region.region.clone())
}

fn region_of((provider, name): &RegionName) -> Result<&'static Region, String> {
    let known = places::regions().map_err(ToString::to_string)?;
    let region = known.get(name, Some(provider));
    region.ok_or_else(|| format!("region {name} of {provider} is gone"))
}

fn figure_of(found: &Result<f64, String>) -> Figure {
    match found {
        Ok(number) => Ok(format!("{number:?}")),
        Err(why) => Err(why.clone()),
    }
}

fn number_of(figure: &Figure) -> Result<Result<f64, String>, String> {
    match figure {
        Ok(text) => match text.parse() {
            Ok(number) => Ok(Ok(number)),
            Err(_) => Err(format!("\"{text}\" is no number")),
        },
        Err(why) => Ok(Err(why.clone())),
    }
}
