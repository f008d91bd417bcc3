//! Which policy is meant: of a report, or to explain.

use crate::view::{LeftOut, Listed, Policy, title};

/// Most policies that a refusal names.
const NAMED: usize = 10;

/// What has the kind and the name of a policy.
pub trait Called {
    /// Its kind, its namespace if it has one, and its name.
    fn called(&self) -> (&'static str, Option<&str>, &str);
}

impl Called for Policy {
    fn called(&self) -> (&'static str, Option<&str>, &str) {
        (self.kind.as_str(), self.namespace.as_deref(), &self.name)
    }
}

/// Why no policy could be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchosen {
    /// None fits that the caller may see.
    Nothing,
    /// The only one that fits cannot be read.
    Unreadable {
        /// Which it is.
        title: String,
        /// Why, and what to do.
        why: String,
    },
    /// More than one fits: their titles, those that cannot be read marked.
    Several(String),
}

/// The policy that is meant: by its name, by `KIND/NAME`, or the only one. One
/// that cannot be read may be the one that is meant, so it counts.
///
/// # Errors
/// If none fits, more than one does, or the only one cannot be read.
pub fn choose<P: Called>(listed: Listed<P>, asked: Option<&str>) -> Result<P, Unchosen> {
    let fits = |kind: &str, name: &str| asked.is_none_or(|asked| is_meant(asked, kind, name));
    let Listed {
        mut items,
        mut unreadable,
    } = listed;
    items.retain(|one| {
        let (kind, _, name) = one.called();
        fits(kind, name)
    });
    unreadable.retain(|one| fits(&one.kind, &one.name));
    if items.len() + unreadable.len() > 1 {
        return Err(Unchosen::Several(titles(&items, &unreadable)));
    }
    match (items.pop(), unreadable.pop()) {
        (Some(policy), _) => Ok(policy),
        (None, Some(one)) => Err(Unchosen::Unreadable {
            title: one.title(),
            why: one.why(),
        }),
        (None, None) => Err(Unchosen::Nothing),
    }
}

/// No object's name has a slash in it.
fn is_meant(asked: &str, kind: &str, name: &str) -> bool {
    match asked.split_once('/') {
        Some((of_kind, of_name)) => of_kind.eq_ignore_ascii_case(kind) && of_name == name,
        None => asked == name,
    }
}

fn titles<P: Called>(items: &[P], unreadable: &[LeftOut]) -> String {
    let of = |one: &P| {
        let (kind, namespace, name) = one.called();
        title(kind, namespace, name)
    };
    let marked = |one: &LeftOut| format!("{} (this version of tanso cannot read it)", one.title());
    let all = items.iter().map(of);
    let all = all.chain(unreadable.iter().map(marked));
    let named: Vec<String> = all.take(NAMED).collect();
    let more = (items.len() + unreadable.len()).saturating_sub(NAMED);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    named.join(", ") + &more
}
