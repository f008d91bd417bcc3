//! The learned models that serve, by node type, for readers that do not wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Transaction;
use tanso_power::model::{MachineFeatures, ModelDocument};
use tanso_power::sample::Measured;

use crate::samples::node_type;
use crate::store::types::{self, PRIOR};
use crate::store::{StoreFault, documents};

/// A learned model that serves.
#[derive(Debug)]
pub struct Served {
    /// Its digest.
    pub digest: String,
    /// The document.
    pub document: ModelDocument,
    /// Its canonical bytes.
    pub body: Arc<[u8]>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct InService {
    by_type: RwLock<HashMap<String, Arc<Served>>>,
    drifting: AtomicU64,
}

impl InService {
    /// The first learned model for a machine, by what may be measured.
    #[must_use]
    pub fn find(&self, machine: &MachineFeatures, wanted: &[Measured]) -> Option<Arc<Served>> {
        if machine.virtual_machine == Some(true) || !node_type::is_told(machine) {
            return None;
        }
        let by_type = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        if by_type.is_empty() {
            return None;
        }
        let find = |measured: &Measured| by_type.get(&node_type::name(machine, *measured)).cloned();
        wanted.iter().find_map(find)
    }

    /// The model of a digest, if it serves.
    #[must_use]
    pub fn by_digest(&self, digest: &str) -> Option<Arc<Served>> {
        let by_type = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        by_type
            .values()
            .find(|served| served.digest == digest)
            .cloned()
    }

    /// Types and digests.
    #[must_use]
    pub fn digests(&self) -> Vec<(String, String)> {
        let by_type = self.by_type.read().unwrap_or_else(PoisonError::into_inner);
        by_type
            .iter()
            .map(|(name, served)| (name.clone(), served.digest.clone()))
            .collect()
    }

    /// How many types' nodes draw other power than their newest model says.
    #[must_use]
    pub fn drifting(&self) -> u64 {
        self.drifting.load(Ordering::Relaxed)
    }

    /// Notes how many types drift.
    pub fn set_drifting(&self, count: u64) {
        self.drifting.store(count, Ordering::Relaxed);
    }

    /// Serves these from now on, and no others.
    pub fn replace_all(&self, served: HashMap<String, Arc<Served>>) {
        *self.by_type.write().unwrap_or_else(PoisonError::into_inner) = served;
    }
}

/// What serves by the store's word. A document that is not what its digest
/// says is left out and named in the log: the bundled tables serve instead.
///
/// # Errors
/// If the store fails.
pub fn load(transaction: &Transaction<'_>) -> Result<HashMap<String, Arc<Served>>, StoreFault> {
    let mut served = HashMap::new();
    for name in types::names(transaction)? {
        let Some(node_type) = types::get(transaction, &name)? else {
            continue;
        };
        if node_type.in_service == PRIOR {
            continue;
        }
        let body = documents::get(transaction, &node_type.in_service)?;
        match check(&node_type.in_service, body) {
            Ok(one) => {
                served.insert(name, Arc::new(one));
            }
            Err(reason) => {
                tracing::error!(
                    node_type = name,
                    model = node_type.in_service,
                    reason,
                    "learned model is left out"
                );
            }
        }
    }
    Ok(served)
}

/// A document that is what its digest says.
///
/// # Errors
/// Why it is not.
pub fn check(digest: &str, body: Option<Vec<u8>>) -> Result<Served, String> {
    let body = body.ok_or("its document is missing")?;
    let document = ModelDocument::parse(&body).map_err(|fault| fault.to_string())?;
    let found = document.digest().map_err(|fault| fault.to_string())?;
    if found != digest {
        return Err(format!("its document has digest {found}"));
    }
    Ok(Served {
        digest: found,
        document,
        body: body.into(),
    })
}
