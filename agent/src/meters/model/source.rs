//! The power model in use, shared by who fetches it and who computes with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};
use tanso_power::model::{ModelDocument, ModelFault};

/// The file's name in the state directory.
const FILE: &str = "power-model.json";

/// A model and its name.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    /// `sha256:…`
    pub digest: Arc<str>,
    /// The model.
    pub document: ModelDocument,
}

/// A model server's answer, and the form of the cached file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Selected {
    /// The document's digest.
    pub digest: String,
    /// The document.
    pub document: ModelDocument,
}

impl Selected {
    /// The model, if it is what its name says.
    ///
    /// # Errors
    /// If the document is unusable or has another digest.
    pub fn verify(self) -> Result<Loaded, ModelFault> {
        self.document.check()?;
        let found = self.document.digest()?;
        if found != self.digest {
            return Err(ModelFault::Digest {
                wanted: self.digest,
                found,
            });
        }
        Ok(Loaded {
            digest: found.into(),
            document: self.document,
        })
    }
}

/// The place of the model in use.
#[derive(Debug)]
pub struct ModelSource {
    slot: ArcSwapOption<Loaded>,
    reason: Mutex<String>,
    file: PathBuf,
}

impl ModelSource {
    /// A source that begins with the model kept in `state_dir`, if there is a
    /// valid one.
    #[must_use]
    pub fn open(state_dir: &Path) -> Self {
        let file = state_dir.join(FILE);
        let source = Self {
            slot: ArcSwapOption::empty(),
            reason: Mutex::new("no model server is set (--model-server)".to_owned()),
            file,
        };
        match read_kept(&source.file) {
            Ok(Some(loaded)) => {
                tracing::info!(model = %loaded.digest, "power model taken from the state directory");
                source.slot.store(Some(Arc::new(loaded)));
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                error,
                "kept power model is not usable; it will be fetched anew"
            ),
        }
        source
    }

    /// The model in use.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Loaded>> {
        self.slot.load_full()
    }

    /// Whether the model in use knows more than load.
    #[must_use]
    pub fn wants_activity(&self) -> bool {
        let slot = self.slot.load();
        slot.as_ref()
            .is_some_and(|loaded| loaded.document.refined.is_some())
    }

    /// Why there is no model.
    #[must_use]
    pub fn reason(&self) -> String {
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes why there is no model yet.
    pub fn refuse(&self, reason: impl Into<String>) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason.into();
    }

    /// Uses this model from now on and keeps it for later starts.
    ///
    /// # Errors
    /// If it is not what its name says, or its power has another boundary than
    /// that of the model in use, which would make one counter mean two things;
    /// the model in use stays. A file that cannot be written is logged only.
    pub fn accept(&self, selected: Selected) -> Result<(), ModelFault> {
        let text =
            serde_json::to_vec(&selected).map_err(|fault| ModelFault::Syntax(fault.to_string()))?;
        let loaded = selected.verify()?;
        if let Some(current) = self.current() {
            if current.digest == loaded.digest {
                return Ok(());
            }
            let (had, came) = (current.document.domain, loaded.document.domain);
            if !had.same_boundary(came) {
                return Err(ModelFault::Boundary {
                    had: had.boundary(),
                    came: came.boundary(),
                });
            }
        }
        if let Err(fault) = replace_file(&self.file, &text) {
            tracing::warn!(file = %self.file.display(), error = %fault, "power model cannot be kept for the next start");
        }
        tracing::info!(model = %loaded.digest, name = loaded.document.name, "power model in use");
        self.slot.store(Some(Arc::new(loaded)));
        Ok(())
    }
}

fn read_kept(file: &Path) -> Result<Option<Loaded>, String> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault.to_string()),
    };
    let selected: Selected = serde_json::from_slice(&bytes).map_err(|fault| fault.to_string())?;
    selected
        .verify()
        .map(Some)
        .map_err(|fault| fault.to_string())
}

fn replace_file(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = file.with_extension("new");
    fs::write(&draft, bytes)?;
    fs::rename(&draft, file)
}
