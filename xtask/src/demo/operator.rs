//! The operator's own routes, by a port-forward as a person opens one: it
//! refuses whom it does not know, and the API server's proxy passes no token on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, bail};

use super::session::{NAMESPACE, Session};
use crate::process::output;

/// What kubectl prints before the port that it chose.
const FORWARDING: &str = "Forwarding from 127.0.0.1:";

/// Ends the port-forward with whoever asked for it.
struct Forward(Child);

impl Drop for Forward {
    fn drop(&mut self) {
        // Our own child; what it forwarded is over.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the operator answers at a path.
///
/// # Errors
/// When no pod of it is ready, or its answer is no success.
pub fn ask(session: &Session, path: &str) -> Result<String> {
    let mut kubectl = session.command(&[
        "-n",
        NAMESPACE,
        "port-forward",
        "--address",
        "127.0.0.1",
        "service/tanso-operator",
        ":8080",
    ]);
    kubectl
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let forward = kubectl.spawn().context("starting the port-forward")?;
    let mut forward = Forward(forward);
    let printed = forward.0.stdout.take().context("its output")?;
    let mut printed = BufReader::new(printed);
    let mut first = String::new();
    printed
        .read_line(&mut first)
        .context("reading what the port-forward prints")?;
    let Some(port) = port(&first) else {
        let mut said = String::new();
        if let Some(mut errors) = forward.0.stderr.take() {
            errors.read_to_string(&mut said).context("its errors")?;
        }
        bail!("no port-forward to the operator: {first}{}", said.trim());
    };
    let url = format!("http://127.0.0.1:{port}{path}");
    let words = [
        "curl",
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--max-time",
        "20",
        &url,
    ];
    let found = output(&mut session.beside(&words)).with_context(|| format!("asking for {path}"));
    // Until here, since kubectl ends when nobody reads what it prints.
    drop(printed);
    found
}

/// The port that kubectl listens on, by its first line.
fn port(line: &str) -> Option<u16> {
    let (port, _) = line.strip_prefix(FORWARDING)?.split_once(' ')?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_port_is_the_one_that_kubectl_tells() {
        let line = "Forwarding from 127.0.0.1:41231 -> 8080\n";
        assert_eq!(port(line), Some(41_231));
        assert_eq!(port(""), None);
        assert_eq!(port("error: unable to forward port"), None);
    }
}
