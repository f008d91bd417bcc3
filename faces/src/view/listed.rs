//! Lists of this API group's kinds, object by object: what this version cannot
//! read hides nothing else and is named.

use std::fmt;

use kube::Resource;
use kube::api::{Api, GetParams, ListParams, ObjectList};
use kube::core::{ListMeta, Request};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tanso_crds::{Readable, Unreadable};

use super::FactsFault;

/// Most objects that a sentence names.
const NAMED: usize = 5;

/// An object that is left out, since this version of tanso cannot read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Its kind, such as `CarbonPolicy`.
    pub kind: String,
    /// Its namespace; absent where it is of the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The first field that cannot be read, as in `spec.intensity.source`; absent where it is the object itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why not, with what is accepted.
    pub reason: String,
}

impl LeftOut {
    fn of<K: Resource<DynamicType = ()>>(unreadable: Unreadable) -> Self {
        let Unreadable {
            field,
            reason,
            metadata,
            ..
        } = unreadable;
        Self {
            kind: K::kind(&()).into_owned(),
            namespace: metadata.namespace,
            name: metadata.name.unwrap_or_default(),
            field: (!field.is_empty()).then_some(field),
            reason,
        }
    }

    /// `CarbonPolicy shop/newer` or `ClusterCarbonPolicy everything`.
    #[must_use]
    pub fn title(&self) -> String {
        super::title(&self.kind, self.namespace.as_deref(), &self.name)
    }

    /// What cannot be read, and what to do.
    #[must_use]
    pub fn why(&self) -> String {
        let field = self.field.as_ref();
        let field = field.map_or_else(String::new, |field| format!("{field}: "));
        format!(
            "this version of tanso cannot read it: {field}{}; use the version that wrote it, or change that field",
            self.reason
        )
    }

    /// The first few of them in a sentence that follows another; nothing where
    /// nothing is left out.
    pub(crate) fn sentence(all: &[Self]) -> String {
        if all.is_empty() {
            return String::new();
        }
        let named: Vec<_> = all.iter().take(NAMED).map(ToString::to_string).collect();
        let more = all.len().saturating_sub(NAMED);
        let more = if more == 0 {
            String::new()
        } else {
            format!("; and {more} more")
        };
        format!(" Left out: {}{more}.", named.join("; "))
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title(), self.why())
    }
}

/// What a list holds, and what of it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// What can be read.
    pub items: Vec<T>,
    /// What cannot.
    pub unreadable: Vec<LeftOut>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for Listed<T> {
    fn from(items: Vec<T>) -> Self {
        Self {
            items,
            unreadable: Vec::new(),
        }
    }
}

impl<T> Listed<T> {
    /// The same of something else.
    #[must_use]
    pub fn map<U>(self, with: impl FnMut(T) -> U) -> Listed<U> {
        Listed {
            items: self.items.into_iter().map(with).collect(),
            unreadable: self.unreadable,
        }
    }

    /// This and another list.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self.unreadable.extend(other.unreadable);
        self
    }
}

/// Every object of a kind, so many in a request.
///
/// # Errors
/// If the API server refuses or does not answer, or what it says is no list.
pub async fn list_readable<K>(
    api: &Api<K>,
    mut params: ListParams,
) -> Result<Listed<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug,
{
    let client = api.clone().into_client();
    let request = Request::new(api.resource_url());
    let mut all = Listed::default();
    loop {
        let asked = request.list(&params).map_err(kube::Error::BuildRequest)?;
        let text = client.request_text(asked).await?;
        let (page, metadata) = page::<K>(&text).map_err(kube::Error::SerdeError)?;
        all = all.and(page);
        match metadata.continue_ {
            Some(next) if !next.is_empty() => params = params.continue_token(&next),
            _ => return Ok(all),
        }
    }
}

/// One object, if there is one of that name.
///
/// # Errors
/// If the API server refuses or does not answer, or what it says is no object.
pub(super) async fn get_readable<K>(
    api: &Api<K>,
    name: &str,
    params: &GetParams,
) -> Result<Option<Result<K, LeftOut>>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    let request = Request::new(api.resource_url());
    let asked = request.get(name, params);
    let asked = asked.map_err(kube::Error::BuildRequest)?;
    let text = match api.clone().into_client().request_text(asked).await {
        Ok(text) => text,
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    if let Ok(object) = serde_json::from_str::<K>(&text) {
        return Ok(Some(Ok(object)));
    }
    let Readable(read) =
        serde_json::from_str::<Readable<K>>(&text).map_err(kube::Error::SerdeError)?;
    Ok(Some(read.map_err(LeftOut::of::<K>)))
}

/// Every object of a kind, with what was tried in the fault.
pub(super) async fn listed<K>(
    api: &Api<K>,
    params: ListParams,
    what: &str,
) -> Result<Listed<K>, FactsFault>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug,
{
    let found = list_readable(api, params).await;
    found.map_err(|error| FactsFault::of(format!("listing {what}"), &error))
}

/// The objects of an answer. They are read one by one only where together they
/// cannot be: that takes several times as long, and a thousand statuses are long.
fn page<K>(text: &str) -> Result<(Listed<K>, ListMeta), serde_json::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug,
{
    if let Ok(page) = serde_json::from_str::<ObjectList<K>>(text) {
        return Ok((page.items.into(), page.metadata));
    }
    let page: ObjectList<Readable<K>> = serde_json::from_str(text)?;
    let mut found = Listed::default();
    for Readable(one) in page.items {
        match one {
            Ok(object) => found.items.push(object),
            Err(unreadable) => found.unreadable.push(LeftOut::of::<K>(unreadable)),
        }
    }
    Ok((found, page.metadata))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tanso_crds::{CarbonPolicy, EnergyStudy, PowerMonitor};

    use super::*;

    fn policy(name: &str, source: &str) -> Value {
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"site": {"zone": "KR"}, "intensity": {"source": source,
                "static": {"gramsPerKwh": 417, "reference": "a"}}, "regulations": []}})
    }

    fn list(items: &Value) -> String {
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "List",
            "metadata": {"continue": "more"}, "items": items})
        .to_string()
    }

    #[test]
    fn what_a_later_version_wrote_is_named_and_the_rest_is_listed() {
        let text = list(&json!([
            policy("newer", "Oracle"),
            policy("known", "Static")
        ]));
        let (found, metadata) = page::<CarbonPolicy>(&text).unwrap();
        let names: Vec<_> = found.items.iter().map(|one| &one.metadata.name).collect();
        assert_eq!(names, [&Some("known".to_owned())]);
        let [newer] = found.unreadable.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(newer.title(), "CarbonPolicy shop/newer");
        assert_eq!(newer.field.as_deref(), Some("spec.intensity.source"));
        assert!(newer.reason.contains("`Oracle`"), "{newer}");
        // The next page is asked for all the same.
        assert_eq!(metadata.continue_.as_deref(), Some("more"));
        let sentence = LeftOut::sentence(&found.unreadable);
        assert!(
            sentence.starts_with(" Left out: CarbonPolicy shop/newer: this version of tanso cannot read it: spec.intensity.source: "),
            "{sentence}"
        );
        assert_eq!(LeftOut::sentence(&[]), "");
    }

    #[test]
    fn monitors_and_studies_are_read_one_by_one_too() {
        let monitor = |name: &str, sources: Value| {
            json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
                "metadata": {"name": name}, "spec": {"agent": {"sources": sources}}})
        };
        let text = list(&json!([
            monitor("a", json!(["Rapl"])),
            monitor("b", json!(["Sundial"]))
        ]));
        let (found, _) = page::<PowerMonitor>(&text).unwrap();
        assert_eq!((found.items.len(), found.unreadable.len()), (1, 1));
        assert_eq!(found.unreadable[0].title(), "PowerMonitor b");
        let study = json!({"metadata": {"name": "s", "namespace": "shop"}, "spec": {"arms": 7}});
        let (found, _) = page::<EnergyStudy>(&list(&json!([study]))).unwrap();
        assert_eq!(found.unreadable[0].title(), "EnergyStudy shop/s");
    }

    #[test]
    fn an_answer_that_is_no_list_is_a_fault() {
        assert!(page::<CarbonPolicy>("<html>").is_err());
        assert!(page::<CarbonPolicy>("[1]").is_err());
    }
}
