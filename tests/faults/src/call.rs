//! What a request to the API server asks for, told from its method and path.
//!
//! Pure.

use std::fmt;

/// One request, as far as faults care.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// The verb, as in RBAC: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// The resource with its subresource, for example `powermonitors/status`.
    pub resource: String,
    /// Namespace and name, as far as the path has them. Names of Events are
    /// left out: they hold the time.
    pub name: String,
}

impl Call {
    /// Reads method and path; `None` for what is no resource (`/version`).
    #[must_use]
    pub fn read(method: &str, path: &str, query: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/');
        match parts.next()? {
            "api" => parts.next()?,
            "apis" => {
                parts.next()?;
                parts.next()?
            }
            _ => return None,
        };
        let mut rest: Vec<&str> = parts.collect();
        let mut namespace = None;
        if rest.len() > 2 && rest.first() == Some(&"namespaces") {
            namespace = rest.get(1).copied();
            rest.drain(..2);
        }
        let mut rest = rest.into_iter();
        let resource = rest.next()?;
        let name = rest.next();
        let resource = match rest.next() {
            Some(sub) => format!("{resource}/{sub}"),
            None => resource.to_owned(),
        };
        let watches = query
            .split('&')
            .any(|part| matches!(part, "watch=true" | "watch=1"));
        let verb = match (method, name) {
            ("GET", None) if watches => "watch",
            ("GET", None) => "list",
            ("GET", Some(_)) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", _) => "delete",
            _ => return None,
        };
        let name = if resource == "events" { None } else { name };
        let name: Vec<&str> = namespace.into_iter().chain(name).collect();
        Some(Self {
            verb,
            resource,
            name: name.join("/"),
        })
    }

    /// Whether it changes something.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.verb, "create" | "update" | "patch" | "delete")
    }

    /// Whether it writes the lease, which is written all the time.
    #[must_use]
    pub fn is_lease(&self) -> bool {
        self.resource == "leases"
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.resource, self.name)
    }
}

/// The n-th time that a call is made in a run, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// The call.
    pub call: Call,
    /// Which time.
    pub nth: u32,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.call, self.nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_verb_resource_and_name() {
        let read = |method, path| Call::read(method, path, "").unwrap().to_string();
        assert_eq!(
            read("GET", "/api/v1/namespaces/a/services/b"),
            "get services a/b"
        );
        assert_eq!(read("GET", "/api/v1/namespaces/a"), "get namespaces a");
        assert_eq!(
            read("PATCH", "/apis/tanso.dev/v1alpha1/powermonitors/x/status"),
            "patch powermonitors/status x"
        );
        assert_eq!(
            read("POST", "/apis/events.k8s.io/v1/namespaces/a/events"),
            "create events a"
        );
        assert_eq!(Call::read("GET", "/version", ""), None);
    }

    #[test]
    fn a_watch_is_no_list() {
        let verb = |query| Call::read("GET", "/api/v1/pods", query).unwrap().verb;
        assert_eq!(verb("limit=500"), "list");
        assert_eq!(verb("resourceVersion=1&watch=true"), "watch");
    }
}
