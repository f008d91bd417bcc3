//! Where things are: the checkout, the target folder, the cache.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The checkout's root folder.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target folder; `CARGO_TARGET_DIR` is honoured.
#[must_use]
pub fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The folder for what is dear to build and outlives a checkout.
///
/// # Errors
/// When neither `TANSO_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("TANSO_CACHE") {
        return Ok(PathBuf::from(dir));
    }
    if let Some(dir) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(dir).join("tanso"));
    }
    let home = env::var_os("HOME").context("finding the cache folder: set TANSO_CACHE or HOME")?;
    Ok(PathBuf::from(home).join(".cache/tanso"))
}

/// The first file of that name in `PATH`.
#[must_use]
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Cargo's own folder, where the sources of dependencies lie.
///
/// # Errors
/// When neither `CARGO_HOME` nor `HOME` is set.
pub fn cargo_home() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(dir));
    }
    let home = env::var_os("HOME").context("finding Cargo's home: set CARGO_HOME or HOME")?;
    Ok(PathBuf::from(home).join(".cargo"))
}

/// What stands between two flags in `CARGO_ENCODED_RUSTFLAGS`, so that a flag
/// may have blanks.
pub const BETWEEN_FLAGS: &str = "\u{1f}";

/// Flags of rustc by which files below the first of each pair are named as if
/// they lay below the second: what is built says nothing of where it was built.
#[must_use]
pub fn same_names(pairs: &[(&Path, &str)]) -> Vec<String> {
    let flag = |(from, to): &(&Path, &str)| {
        // rustc takes the last that fits.
        format!("--remap-path-prefix={}={to}", from.display())
    };
    pairs.iter().map(flag).collect()
}
