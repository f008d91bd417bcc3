//! The PUE that an evaluation went by, with who says so.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::carbon_policy::accounting::FacilityEntity;
use crate::carbon_policy::spec::{MeteringPoint, PueCategory, PueEvidence, PueScope};

/// The facility's PUE with who says so.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PueFigure {
    /// The ratio in digits, `1.32`.
    #[schemars(length(max = 16))]
    pub value: String,
    /// How it is known; only `Measured`, `Certificate` and `PublishedForRegion` are judged. `Assumed` also where the policy's query did not answer.
    pub evidence: PueEvidence,
    /// What time and what part of the facility it covers; `Interim` where the policy's query looks back less than a year.
    pub scope: PueScope,
    /// Where the IT energy behind it is metered (ISO/IEC 30134-2 category), if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<PueCategory>,
    /// Whose it is.
    pub entity: FacilityEntity,
    /// Who says so: the certificate, page or meter, or `query: ` and the query that gave it; empty if nobody is named.
    #[schemars(length(max = 600))]
    pub source: String,
    /// The year that the figure describes, if known; absent of one that a query gives, which is of the time that the query looks back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_year: Option<i32>,
    /// Where the policy's energy is metered: at `ItEquipment` the PUE multiplies it, at `Facility` it is in it already.
    pub metering: MeteringPoint,
}
