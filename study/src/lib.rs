//! Where a study that is run from a machine is kept: a folder with its plan and
//! its raw figures, and what is to be run next.
//!
//! One room for every runner. It runs no trial and computes no difference: that
//! is the runner's and `carbon::study`'s.

mod folder;

pub use folder::{Folder, FolderFault, PLAN, TRIALS, look};
