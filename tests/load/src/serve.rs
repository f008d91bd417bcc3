//! A steady server: answers every request with 200, burns a share of a core.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::burn;

pub(crate) fn run(port: u16, share: f64) -> Result<()> {
    let listener =
        TcpListener::bind(("0.0.0.0", port)).with_context(|| format!("listening on {port}"))?;
    println!("answering on :{port}, burning {share} of a core");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that says nothing or goes away harms nobody.
            let _ = answer(&stream);
        }
    });
    burn::steadily(share, None);
    Ok(())
}

fn answer(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    for line in BufReader::new(stream).lines().take(100) {
        if line?.is_empty() {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n")
}
