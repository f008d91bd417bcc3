//! Reads `/metrics` as a scraper does.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// One answer.
#[derive(Debug)]
pub(super) struct Scrape {
    /// From the request to its last byte.
    pub(super) took: Duration,
    /// Bytes of the answer's body, as they were sent.
    pub(super) bytes: usize,
    text: String,
}

impl Scrape {
    /// Asks for `/metrics` as plain text.
    pub(super) fn take(address: SocketAddr) -> Result<Self> {
        let (took, body) = get(address, "/metrics", "")?;
        Ok(Self {
            took,
            bytes: body.len(),
            text: String::from_utf8(body).context("metrics")?,
        })
    }

    /// Asks for it compressed, and looks at its size only.
    pub(super) fn compressed(address: SocketAddr) -> Result<Self> {
        let (took, body) = get(address, "/metrics", "Accept-Encoding: gzip\r\n")?;
        Ok(Self {
            took,
            bytes: body.len(),
            text: String::new(),
        })
    }

    /// Samples of a family that have all `labels` (`name="value"`).
    pub(super) fn samples<'a>(
        &'a self,
        family: &'a str,
        labels: &'a [&'a str],
    ) -> impl Iterator<Item = f64> + 'a {
        self.lines(family, labels)
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
    }

    /// Their sum.
    pub(super) fn sum(&self, family: &str, labels: &[&str]) -> f64 {
        self.samples(family, labels).sum()
    }

    /// The lines of those samples.
    pub(super) fn lines<'a>(
        &'a self,
        family: &'a str,
        labels: &'a [&'a str],
    ) -> impl Iterator<Item = &'a str> + 'a {
        self.text.lines().filter(move |line| {
            let named = line
                .strip_prefix(family)
                .is_some_and(|rest| rest.starts_with(['{', ' ']));
            named && labels.iter().all(|label| line.contains(label))
        })
    }

    /// How many samples there are.
    pub(super) fn series(&self) -> usize {
        self.text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .count()
    }
}

fn get(address: SocketAddr, path: &str, headers: &str) -> Result<(Duration, Vec<u8>)> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address).context("connecting to the agent")?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}Connection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("reading metrics")?;
    let took = begin.elapsed();
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("an answer without a head")?;
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{path}: {}", head.lines().next().unwrap_or_default());
    }
    let body = answer.split_off(end + 4);
    Ok((took, body))
}
