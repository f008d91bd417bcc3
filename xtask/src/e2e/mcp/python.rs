//! A client library of others, in a Python environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::packages::{self, Need};

/// The client, what it talks HTTP with, and what validates schemas.
const PACKAGES: [&str; 3] = ["mcp==2.3.0", "httpx2", "jsonschema==4.26.0"];

/// The interpreter of an environment that has the client.
///
/// # Errors
/// When Python is missing or a package cannot be installed.
pub(super) fn ensure() -> Result<PathBuf> {
    let needs = [Need {
        file: "python3",
        package: "python3-venv",
    }];
    packages::ensure(&needs, "running a client library that is not ours")?;
    super::installed("mcp-client-2.3.0", "venv/bin/python", commands)
}

fn commands(folder: &Path) -> Vec<Command> {
    let venv = folder.join("venv");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&venv);
    let mut install = Command::new(venv.join("bin/pip"));
    install
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES);
    vec![make, install]
}
