//! What an object waits for that is being deleted and does not go.

use kube::{Resource, ResourceExt as _};

/// Finalizers that are named; of more only how many.
const NAMED_MAX: usize = 5;

/// Says who keeps an object that is being deleted; `None` if it is not, or only
/// waits for `ours`.
#[must_use]
pub fn kept_by<K: Resource>(object: &K, ours: Option<&str>) -> Option<String> {
    object.meta().deletion_timestamp.as_ref()?;
    let others: Vec<&str> = object
        .finalizers()
        .iter()
        .map(String::as_str)
        .filter(|one| Some(*one) != ours)
        .collect();
    if others.is_empty() {
        return None;
    }
    let named: Vec<String> = others
        .iter()
        .take(NAMED_MAX)
        .map(|one| format!("\"{one}\""))
        .collect();
    let more = match others.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "it is being deleted, and stays until somebody removes what tanso did not put there: finalizers {}{more}",
        named.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use tanso_crds::PowerMonitor;

    use super::*;

    #[test]
    fn who_keeps_an_object_is_said_within_bounds_and_our_own_hand_is_not() {
        let mut monitor = PowerMonitor::new("a", tanso_crds::PowerMonitorSpec::default());
        monitor.finalizers_mut().push("tanso.dev/x".into());
        monitor.finalizers_mut().push("example.com/kept".into());
        assert_eq!(kept_by(&monitor, None), None, "nobody deletes it");
        monitor.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        let said = kept_by(&monitor, Some("tanso.dev/x")).unwrap();
        assert!(said.ends_with("finalizers \"example.com/kept\""), "{said}");
        monitor.finalizers_mut().pop();
        assert_eq!(kept_by(&monitor, Some("tanso.dev/x")), None);
        for number in 0..100 {
            monitor
                .finalizers_mut()
                .push(format!("{}-{number}", "e".repeat(300)));
        }
        let said = kept_by(&monitor, Some("tanso.dev/x")).unwrap();
        assert!(
            said.len() < 2_000 && said.ends_with("and 95 more"),
            "{said}"
        );
    }
}
