//! The unit for systemd: systemd takes it as it is, what it names is what its
//! header says to install, and its filter allows the calls that the agent makes.
//!
//! Where there is no `systemd-analyze`, the unit's keys are looked at alone.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::Parser as _;
use tanso_agent::settings::Flags;

/// Units that systemd itself has, and ours is ordered by.
const TARGETS: [&str; 5] = ["basic", "local-fs", "multi-user", "shutdown", "sysinit"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn unit() -> String {
    fs::read_to_string(root().join("deploy/systemd/tanso-agent.service")).unwrap()
}

/// Section, key and value of each line.
fn settings(unit: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in unit.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(name) = name {
            name.clone_into(&mut section);
        } else {
            let (key, value) = line.split_once('=').unwrap();
            found.push((section.clone(), key.to_owned(), value.to_owned()));
        }
    }
    found
}

fn value(key: &str) -> String {
    let found = settings(&unit()).into_iter().find(|(_, one, _)| one == key);
    found.unwrap_or_default().2
}

/// The program of a command line of the unit.
fn program(command: &str) -> PathBuf {
    command.split(' ').next().unwrap().into()
}

/// What `systemd-analyze` says; `None` where there is none.
fn analyze(arguments: &[&str]) -> Option<Output> {
    let found = Command::new("systemd-analyze").args(arguments).output();
    if found.is_err() {
        eprintln!("not shown: this machine has no systemd-analyze");
    }
    found.ok()
}

/// A root directory with the unit, its programs, and nothing else that matters.
fn installed(unit: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &Path, content: &str, mode| {
        let path = root.path().join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    for name in TARGETS {
        let path = format!("/usr/lib/systemd/system/{name}.target");
        write(Path::new(&path), "[Unit]\n", 0o644);
    }
    let place = Path::new("/etc/systemd/system/tanso-agent.service");
    write(place, unit, 0o644);
    // As the unit's header says, and what every system with systemd has.
    for program in ["/usr/local/bin/tanso-agent", "/bin/kill"] {
        write(Path::new(program), "#!/bin/sh\n", 0o755);
    }
    root
}

#[test]
fn systemd_takes_the_unit_without_a_word() {
    let verify = |unit: &str| {
        let root = installed(unit);
        let root = root.path().to_str().unwrap();
        analyze(&["verify", "--man=no", "--root", root, "tanso-agent.service"])
    };
    let Some(whole) = verify(&unit()) else {
        return;
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((said(&whole).as_str(), whole.status.code()), ("", Some(0)));
    // It would say it.
    let misspelt = verify(&unit().replace("ProtectHome=", "ProtectHomes=")).unwrap();
    assert!(said(&misspelt).contains("ProtectHomes"), "{misspelt:?}");
}

#[test]
fn each_key_stands_once_in_a_section_that_systemd_has() {
    let all = settings(&unit());
    let sections: BTreeSet<&str> = all.iter().map(|(section, ..)| section.as_str()).collect();
    assert_eq!(sections, BTreeSet::from(["Install", "Service", "Unit"]));
    let keys: BTreeSet<&str> = all.iter().map(|(_, key, _)| key.as_str()).collect();
    assert_eq!(keys.len(), all.len(), "a key stands twice");
    for (section, key, value) in &all {
        let is_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(is_key && !key.is_empty(), "[{section}] {key}={value}");
    }
}

#[test]
fn what_the_unit_names_is_what_is_installed() {
    let unit = unit();
    let start = value("ExecStart");
    let built = Path::new(env!("CARGO_BIN_EXE_tanso-agent"));
    assert_eq!(program(&start).file_name(), built.file_name());
    let folder = program(&start)
        .parent()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let says = format!("copy the binary to\n# {folder},");
    assert!(unit.contains(&says), "the header does not say \"{says}\"");
    // The agent knows the flags, and keeps its state where the unit makes room.
    let flags = Flags::try_parse_from(start.split(' '));
    assert!(flags.is_ok(), "{start}: {:?}", flags.err());
    let state = format!("--state-dir /var/lib/{}", value("StateDirectory"));
    assert!(start.contains(&state), "{start}: no \"{state}\"");
    let page = value("Documentation");
    let (_, page) = page.split_once("/blob/main/").unwrap();
    let text = fs::read_to_string(root().join(page)).unwrap();
    assert!(
        text.contains("deploy/systemd/tanso-agent.service"),
        "{page}"
    );
    assert_eq!(program(&value("ExecReload")), Path::new("/bin/kill"));
}

/// The calls of a set of systemd's, with the sets within it.
fn calls(set: &str) -> Option<BTreeSet<String>> {
    let output = analyze(&["--no-pager", "syscall-filter", set])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found = BTreeSet::new();
    let lines = text.lines().skip(1).map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('@') {
            found.extend(calls(line)?);
        } else {
            found.insert(line.to_owned());
        }
    }
    Some(found)
}

/// A unit that forbade `adjtimex` took from the agent whether a time server
/// keeps the clock.
#[test]
fn the_filter_allows_every_call_that_the_agent_makes() {
    let profile = File::open(root().join("config/seccomp/tanso-agent.json")).unwrap();
    let profile: serde_json::Value = serde_json::from_reader(profile).unwrap();
    let groups = profile["syscalls"].as_array().unwrap().iter();
    let made: BTreeSet<String> = groups
        .filter(|group| group["action"] == "SCMP_ACT_ALLOW")
        .flat_map(|group| group["names"].as_array().unwrap())
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    assert!(made.contains("adjtimex") && made.contains("bpf"));
    let mut allowed = BTreeSet::new();
    for word in value("SystemCallFilter").split(' ') {
        match word.strip_prefix('@') {
            Some(_) => match calls(word) {
                Some(set) => allowed.extend(set),
                None => return,
            },
            None => {
                allowed.insert(word.to_owned());
            }
        }
    }
    let forbidden: Vec<&String> = made.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
    // These forbid calls whatever the filter says (systemd.exec(5)).
    let clock = settings(&unit())
        .into_iter()
        .find(|(_, key, _)| key == "ProtectClock");
    assert_eq!(clock, None);
}
