//! Brings the built kernel programs into the agent.
//!
//! They are built for another target by `cargo xtask ebpf`; this only finds
//! the object and embeds its bytes. Without one the agent still builds, and
//! counts by files instead.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=TANSO_EBPF_OBJECT");
    println!("cargo::rerun-if-env-changed=TANSO_REQUIRE_EBPF");
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .parent()
        .ok_or("the agent's package has no workspace above it")?
        .to_owned();
    let out = PathBuf::from(env::var("OUT_DIR")?).join("tanso-agent-ebpf.o");
    let required = env::var("TANSO_REQUIRE_EBPF").is_ok_and(|value| value == "1");

    let given = env::var_os("TANSO_EBPF_OBJECT")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    if let Some(path) = &given
        && !path.is_file()
    {
        return Err(format!(
            "TANSO_EBPF_OBJECT names \"{}\", which is no file; build it with `cargo xtask ebpf`",
            path.display()
        )
        .into());
    }
    let places = [
        workspace.join("target/ebpf/tanso-agent-ebpf.o"),
        workspace.join("agent-ebpf/target/bpfel-unknown-none/release/tanso-agent-ebpf"),
    ];
    let object = given.or_else(|| places.iter().find(|path| path.is_file()).cloned());
    // Cargo takes a watched file that is missing for a change, each time: the
    // empty places are watched only while there is nothing else.
    let watched = object.as_ref().map_or(&places[..], std::slice::from_ref);
    for path in watched {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    match object {
        Some(path) => {
            fs::copy(&path, &out)
                .map_err(|error| format!("copying \"{}\": {error}", path.display()))?;
        }
        None if required => {
            return Err(
                "the kernel programs are not built; run `cargo xtask ebpf` first \
                        (TANSO_REQUIRE_EBPF=1 asks for them)"
                    .into(),
            );
        }
        None => {
            println!(
                "cargo::warning=the kernel programs are not built: this agent will count CPU \
                 time by files; run `cargo xtask ebpf` and build again"
            );
            fs::write(&out, [])?;
        }
    }
    Ok(())
}
