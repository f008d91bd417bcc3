//! Feeds parsers with anything: builds the targets of `fuzz/` and runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{process, workspace};

/// The coverage that the fuzzer steers by, as cargo-fuzz asks for it; no
/// sanitizer, so that the stable toolchain's standard library serves.
const FLAGS: [&str; 6] = [
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Named, so that the flags do not reach build scripts.
#[cfg(target_arch = "aarch64")]
const HOST: &str = "aarch64-unknown-linux-gnu";
#[cfg(not(target_arch = "aarch64"))]
const HOST: &str = "x86_64-unknown-linux-gnu";

/// What to run and for how long.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Targets, by the names of the files in `fuzz/fuzz_targets` [default: all]
    targets: Vec<String>,
    /// Time for each target, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Builds the targets, then runs one after another.
///
/// # Errors
/// When a target is unknown, does not build, or finds something: the input is
/// under `target/fuzz/NAME` then.
pub fn run(args: &Args) -> Result<()> {
    let folder = workspace::root().join("fuzz");
    let known = targets(&folder)?;
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(name)) {
        bail!("target \"{unknown}\": accepted are {}", known.join(", "));
    }
    let chosen = if args.targets.is_empty() {
        known
    } else {
        args.targets.clone()
    };
    let output = workspace::target_dir().join("fuzz");
    build(&folder, &output, &chosen)?;
    for target in &chosen {
        let program = output.join(HOST).join("release").join(target);
        let place = output.join(target);
        let corpus = place.join("corpus");
        fs::create_dir_all(&corpus).with_context(|| format!("making \"{}\"", corpus.display()))?;
        eprintln!("{target}: {} s", args.seconds);
        let mut command = Command::new(program);
        command
            .current_dir(&place)
            .arg(&corpus)
            .arg(format!("-max_total_time={}", args.seconds))
            .args(["-print_final_stats=1", "-verbosity=0", "-rss_limit_mb=2048"]);
        process::run(&mut command).with_context(|| format!("fuzzing {target}"))?;
    }
    Ok(())
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let place = folder.join("fuzz_targets");
    let mut names = Vec::new();
    let entries =
        fs::read_dir(&place).with_context(|| format!("reading \"{}\"", place.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(
                path.file_stem()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn build(folder: &Path, output: &Path, targets: &[String]) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", output)
        .env("RUSTFLAGS", FLAGS.join(" "))
        // The passes' arguments are not promised to stay; they are for a test.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["build", "--release", "--target", HOST])
        .args(targets.iter().flat_map(|target| ["--bin", target.as_str()]));
    process::run(&mut command)
}
