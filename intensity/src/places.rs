//! Which grid a node draws from, by its topology labels and the bundled table
//! of cloud regions; pure.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tanso_carbon::regions::{Region, Regions};
use tanso_carbon::table::TableFaults;

const REGIONS: &str = include_str!("../../config/regions/regions.csv");

static TABLE: LazyLock<Result<Regions, TableFaults>> =
    LazyLock::new(|| Regions::parse("regions.csv", REGIONS));

/// The label that names a node's region.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";

/// The bundled regions.
///
/// # Errors
/// If the bundled table is broken, which a test excludes.
pub fn regions() -> Result<&'static Regions, &'static TableFaults> {
    TABLE.as_ref()
}

/// The cloud region of a node from its labels and its provider's id, such as
/// `aws:///ap-northeast-2a/i-0f…`; `None` for a node elsewhere, and for a
/// region that several providers name alike where the provider is not known.
#[must_use]
pub fn region_of(
    labels: &BTreeMap<String, String>,
    provider_id: Option<&str>,
) -> Option<&'static Region> {
    let wanted = labels.get(REGION_LABEL)?;
    let scheme = provider_id
        .and_then(|id| id.split_once("://"))
        .map(|(scheme, _)| scheme);
    let provider = match scheme {
        Some("aws") => Some("aws"),
        Some("azure") => Some("azure"),
        Some("gce") => Some("gcp"),
        Some(_) => return None,
        None => None,
    };
    let mut found = regions()
        .ok()?
        .iter()
        .filter(|one| one.region == *wanted && provider.is_none_or(|name| one.provider == name));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The region that a node's label names where it is none of the table's, for
/// that name or for the node's provider; `None` of a node in a region of the
/// table, and of one without the label.
#[must_use]
pub fn unplaced_region<'a>(
    labels: &'a BTreeMap<String, String>,
    provider_id: Option<&str>,
) -> Option<&'a str> {
    let wanted = labels.get(REGION_LABEL)?;
    region_of(labels, provider_id)
        .is_none()
        .then_some(wanted.as_str())
}

/// The region that a node's label names where no provider of the table has one
/// of that name; `None` without the label.
#[must_use]
pub fn unlisted_region(labels: &BTreeMap<String, String>) -> Option<&str> {
    let wanted = labels.get(REGION_LABEL)?;
    let is_listed = regions().ok()?.iter().any(|one| one.region == *wanted);
    (!is_listed).then_some(wanted.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_that_no_provider_has_is_named_and_no_missing_label() {
        let labelled = |region: &str| [(REGION_LABEL.to_owned(), region.to_owned())].into();
        let cellar = labelled("cellar");
        assert_eq!(unlisted_region(&cellar), Some("cellar"));
        assert_eq!(unlisted_region(&labelled("ap-northeast-2")), None);
        assert_eq!(unlisted_region(&BTreeMap::new()), None);
        assert_eq!(unplaced_region(&cellar, None), Some("cellar"));
        let seoul = labelled("ap-northeast-2");
        assert_eq!(
            unplaced_region(&seoul, Some("aws:///ap-northeast-2a/i-0f")),
            None
        );
        // A name of the table at a provider that the table has not.
        assert_eq!(
            unplaced_region(&seoul, Some("own://7")),
            Some("ap-northeast-2")
        );
        assert_eq!(unplaced_region(&BTreeMap::new(), None), None);
    }

    fn zone(region: &str, id: Option<&str>) -> Option<&'static str> {
        let labels = [(REGION_LABEL.to_owned(), region.to_owned())].into();
        region_of(&labels, id).map(|region| region.grid_zone.as_str())
    }

    #[test]
    fn a_nodes_grid_zone_follows_from_its_region() {
        assert_eq!(
            zone("ap-northeast-2", Some("aws:///ap-northeast-2a/i-0f")),
            Some("KR")
        );
        assert_eq!(zone("eu-central-1", None), Some("DE"));
        assert_eq!(
            zone("koreacentral", Some("azure:///subscriptions/x")),
            Some("KR")
        );
        assert_eq!(
            zone("asia-northeast3", Some("gce://project/zone/node")),
            Some("KR")
        );
        assert_eq!(
            zone("ap-northeast-2", Some("gce://project/zone/node")),
            None
        );
        assert_eq!(zone("my-cellar", None), None);
    }
}
