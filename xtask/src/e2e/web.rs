//! The web face in a real browser: the pages over made-up facts, looked at by
//! Chromium, Playwright and axe-core, which come from their packages once.
//! Needs no cluster.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::packages::{self, Need};
use crate::progress::Step;
use crate::{process, workspace};

/// The name by which the suite is asked for.
pub(super) const NAME: &str = "web";

const NEEDS: [Need; 4] = [
    Need {
        file: "/usr/bin/chromium",
        package: "chromium",
    },
    Need {
        file: "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        package: "fonts-noto-cjk",
    },
    Need {
        file: "node",
        package: "nodejs",
    },
    Need {
        file: "npm",
        package: "npm",
    },
];

/// Serves the pages and looks at them.
///
/// # Errors
/// When something is missing, or a check does not hold; names each.
pub(super) fn run() -> Result<()> {
    packages::ensure(&NEEDS, "the browser test")?;
    let tests = modules()?;
    let mut server = Server::start()?;
    let pictures = workspace::target_dir().join("web");
    let mut check = Command::new("node");
    check
        .current_dir(&tests)
        .arg("check.mjs")
        .arg(&server.url)
        .arg(NEEDS[0].file)
        .arg(&pictures);
    let result = process::run(&mut check);
    server.stop();
    println!("screenshots: {}", pictures.display());
    result.context("e2e web")
}

/// The folder with the check and its modules, installed once.
fn modules() -> Result<PathBuf> {
    let source = workspace::root().join("tests/web");
    let home = workspace::cache_dir()?.join("web-tests");
    fs::create_dir_all(&home).with_context(|| format!("creating \"{}\"", home.display()))?;
    let lock =
        fs::File::create(home.join("lock")).context("creating the lock of the browser test")?;
    // Released when closed: a second run waits for the first one's.
    lock.lock().context("waiting for another installation")?;
    let wanted = fs::read_to_string(source.join("package-lock.json"))
        .context("reading tests/web/package-lock.json")?;
    // Written last, so that an installation that was cut off is begun anew.
    let complete = home.join("complete");
    if fs::read_to_string(&complete).is_ok_and(|installed| installed == wanted) {
        copy(&source, &home)?;
        return Ok(home);
    }
    copy(&source, &home)?;
    let mut step = Step::new("installing Playwright and axe-core");
    let mut npm = Command::new("npm");
    npm.current_dir(&home)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let log = workspace::target_dir().join("logs/npm.log");
    process::run_logged(&mut npm, &log, &mut step, "npm ci")?;
    fs::write(&complete, &wanted).with_context(|| format!("writing \"{}\"", complete.display()))?;
    step.done("installed Playwright and axe-core");
    Ok(home)
}

fn copy(source: &Path, home: &Path) -> Result<()> {
    for name in ["package.json", "package-lock.json", "check.mjs"] {
        fs::copy(source.join(name), home.join(name))
            .with_context(|| format!("copying tests/web/{name}"))?;
    }
    Ok(())
}

/// The pages, until their input ends.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Result<Self> {
        let mut command = Command::new("cargo");
        command
            .current_dir(workspace::root())
            .args(["run", "--quiet", "-p", "tanso-faces", "--example", "page"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("starting the pages")?;
        let output = child.stdout.take().context("the pages' output")?;
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .context("reading the pages' address")?;
        let url = line.trim().to_owned();
        if !url.starts_with("http://127.0.0.1:") {
            let _ = child.kill();
            bail!("the pages gave no address but {line:?}");
        }
        Ok(Self { child, url })
    }

    fn stop(&mut self) {
        // Its input ends, so it does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
