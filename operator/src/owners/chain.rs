//! From a pod's owner to the workload that a person applied; pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// Longest chain that is followed; Kubernetes' own have two links.
const LINKS_MAX: usize = 4;

/// An owner of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its kind, `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl From<&OwnerReference> for Owner {
    fn from(owner: &OwnerReference) -> Self {
        Self {
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
        }
    }
}

/// The owner that keeps an object there, if one does.
pub(super) fn controller(owners: &[OwnerReference]) -> Option<Owner> {
    let mut owners = owners.iter();
    let found = owners.find(|owner| owner.controller == Some(true));
    found.map(Owner::from)
}

/// The owner to follow: the controller; else the first, such as the `CronJob`
/// of a `Job` that a person made from it.
pub(super) fn first(owners: &[OwnerReference]) -> Option<Owner> {
    controller(owners).or_else(|| owners.first().map(Owner::from))
}

/// What is known of an owner's own owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has one.
    To(Owner),
    /// It has none: the chain ends there.
    End,
    /// It was not seen (yet).
    Unknown,
}

impl From<Option<Owner>> for Link {
    fn from(owner: Option<Owner>) -> Self {
        owner.map_or(Self::End, Self::To)
    }
}

/// The end of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The last owner found; `None` for a pod without one.
    pub workload: Option<Owner>,
    /// Whether the chain really ends there, or its next link is not known yet.
    pub complete: bool,
}

/// Follows owners up to the last.
pub fn follow(first: Option<Owner>, owner_of: impl Fn(&Owner) -> Link) -> Resolved {
    let Some(mut at) = first else {
        return Resolved {
            workload: None,
            complete: true,
        };
    };
    // A static pod is owned by its node: it is its own workload.
    if at.kind == "Node" {
        return Resolved {
            workload: None,
            complete: true,
        };
    }
    for _ in 0..LINKS_MAX {
        match owner_of(&at) {
            Link::To(next) => at = next,
            Link::End => {
                return Resolved {
                    workload: Some(at),
                    complete: true,
                };
            }
            Link::Unknown => {
                return Resolved {
                    workload: Some(at),
                    complete: false,
                };
            }
        }
    }
    Resolved {
        workload: Some(at),
        complete: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: &str, name: &str) -> Owner {
        Owner {
            kind: kind.into(),
            name: name.into(),
            uid: format!("uid-of-{name}"),
        }
    }

    fn cluster(of: &Owner) -> Link {
        match of.name.as_str() {
            "shop-7f9" => Link::To(owner("Deployment", "shop")),
            "etl-2901" => Link::To(owner("CronJob", "etl")),
            "unseen" => Link::Unknown,
            _ => Link::End,
        }
    }

    #[test]
    fn a_pod_belongs_to_what_a_person_applied() {
        let workload = |kind, name| {
            let resolved = follow(Some(owner(kind, name)), cluster);
            let workload = resolved.workload.unwrap();
            (workload.kind, workload.name, resolved.complete)
        };
        assert_eq!(
            workload("ReplicaSet", "shop-7f9"),
            ("Deployment".into(), "shop".into(), true)
        );
        assert_eq!(
            workload("Job", "etl-2901"),
            ("CronJob".into(), "etl".into(), true)
        );
        assert_eq!(
            workload("StatefulSet", "db"),
            ("StatefulSet".into(), "db".into(), true)
        );
        assert_eq!(
            workload("Rollout", "own"),
            ("Rollout".into(), "own".into(), true)
        );
        assert_eq!(
            workload("ReplicaSet", "unseen"),
            ("ReplicaSet".into(), "unseen".into(), false)
        );
        assert_eq!(
            follow(None, cluster),
            Resolved {
                workload: None,
                complete: true
            }
        );
        assert_eq!(follow(Some(owner("Node", "n1")), cluster).workload, None);
    }

    #[test]
    fn a_circle_of_owners_ends() {
        let circle = |_: &Owner| Link::To(owner("Loop", "loop"));
        assert!(follow(Some(owner("Loop", "loop")), circle).complete);
    }
}
