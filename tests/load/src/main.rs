//! Workloads of a known size. Every one ends at once on SIGTERM, also as the
//! first process of a container.

mod burn;
mod serve;
mod storm;

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use nix::sys::signal::{SigSet, Signal};

#[derive(Debug, Parser)]
#[command(version, about = "Workloads of a known size")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Burn a steady share of a core and answer HTTP
    Serve {
        /// The share of one core, from 0 to 1
        #[arg(long, default_value_t = 0.3, value_parser = share)]
        cpu: f64,
        /// The port to answer on
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Start many short-lived processes, the same ones for the same seed
    Storm {
        /// Processes started each second
        #[arg(long, default_value_t = 60.0)]
        rate: f64,
        /// The least CPU time of a process, in milliseconds
        #[arg(long, default_value_t = 1)]
        min_ms: u64,
        /// The most CPU time of a process, in milliseconds
        #[arg(long, default_value_t = 20)]
        max_ms: u64,
        /// Which sequence of processes
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Burn for a while, then end with status 0
    Job {
        /// How long, in seconds
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// The share of one core, from 0 to 1
        #[arg(long, default_value_t = 0.8, value_parser = share)]
        cpu: f64,
    },
    /// Do nothing
    Idle,
    /// One process of a storm
    #[command(hide = true)]
    Burn {
        /// Its CPU time, in microseconds
        us: u64,
    },
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share of one core is a number from 0 to 1".into()),
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Verb::Burn { us } = cli.verb {
        burn::process_until(Duration::from_micros(us));
        return Ok(());
    }
    let signals = end_signals()?;
    match cli.verb {
        Verb::Serve { cpu, port } => serve::run(port, cpu),
        Verb::Storm {
            rate,
            min_ms,
            max_ms,
            seed,
        } => storm::run(&storm::Shape {
            rate,
            min_ms,
            max_ms,
            seed,
        }),
        Verb::Job { seconds, cpu } => {
            println!("burning {cpu} of a core for {seconds} s");
            burn::steadily(cpu, Some(Duration::try_from_secs_f64(seconds)?));
            println!("done");
            Ok(())
        }
        Verb::Idle | Verb::Burn { .. } => {
            println!("idle");
            signals.join().ok();
            Ok(())
        }
    }
}

/// Ends this process on a signal. The first process of a container gets only
/// signals that it asks for, so they are blocked and waited for.
fn end_signals() -> Result<thread::JoinHandle<()>> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block().context("blocking signals")?;
    Ok(thread::spawn(move || {
        let _ = signals.wait();
        std::process::exit(0);
    }))
}
