//! Builds, checks, tests and demonstrates tanso: one verb, one file.
//!
//! Nothing of this is shipped; what a user installs never depends on it.

pub mod bench;
pub mod chart;
pub mod check;
pub mod cluster;
pub mod codegen;
pub mod dashboards;
pub mod demo;
pub mod deny;
pub mod docs;
pub mod e2e;
pub mod ebpf;
pub mod fuzz;
pub mod images;
pub mod kubeparts;
pub mod openapi;
pub mod packages;
pub mod process;
pub mod progress;
pub mod release;
pub mod rights;
pub mod study;
pub mod test;
pub mod tools;
pub mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    version,
    about = "Builds, checks, tests and demonstrates tanso"
)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the whole product at work on an embedded cluster
    Demo(demo::Args),
    /// Run everything that must hold before a change goes in
    Test(test::Args),
    /// Run the end-to-end tests on an embedded cluster
    E2e(e2e::Args),
    /// Format, lint and compare generated files, without running anything
    Check(check::Args),
    /// Write the CRDs and every other generated file
    Codegen(codegen::Args),
    /// Build the kernel programs
    Ebpf(ebpf::Args),
    /// Build OCI images without a container daemon
    Images(images::Args),
    /// Put everything of a release into one folder
    Release(release::Args),
    /// Find or build the Kubernetes components of the embedded cluster
    Kubeparts(kubeparts::Args),
    /// Run a real Kubernetes on this machine, in namespaces of its own
    Cluster(cluster::Args),
    /// Lint, render and compare the Helm chart, without a cluster
    Chart(chart::Args),
    /// Judge licences, sources and known faults of what is linked in
    Deny(deny::Args),
    /// Feed the parsers with anything and see that they bear it
    Fuzz(fuzz::Args),
    /// Ask a real Prometheus the queries of Kepler's dashboards over a real agent
    Dashboards(dashboards::Args),
    /// Run the agent without each of its rights and show what it says
    Rights(rights::Args),
    /// Let a fuzzing client of the `OpenAPI` world talk to the model server
    Openapi(openapi::Args),
    /// Run a controlled experiment on an embedded cluster, and report it
    Study(study::Args),
    /// Run the benchmarks
    Bench(bench::Args),
    /// What keeps a cluster; started by `cluster up`
    #[command(hide = true)]
    ClusterSupervise(cluster::supervise::Args),
    /// Enters namespaces and a control group, then becomes another program
    #[command(hide = true)]
    Enter(cluster::enter::Args),
}

impl Cli {
    /// Runs the verb.
    ///
    /// # Errors
    /// What failed, where, and what to do about it.
    pub fn run(self) -> Result<()> {
        match self.verb {
            Verb::Demo(args) => demo::run(&args),
            Verb::Test(args) => test::run(&args),
            Verb::E2e(args) => e2e::run(&args),
            Verb::Check(args) => check::run(&args),
            Verb::Codegen(args) => codegen::run(&args),
            Verb::Ebpf(args) => ebpf::run(&args),
            Verb::Images(args) => images::run(&args),
            Verb::Release(args) => release::run(&args),
            Verb::Kubeparts(args) => kubeparts::run(&args),
            Verb::Cluster(args) => cluster::run(args),
            Verb::Chart(args) => chart::run(&args),
            Verb::Deny(args) => deny::run(&args),
            Verb::Fuzz(args) => fuzz::run(&args),
            Verb::Dashboards(args) => dashboards::run(&args),
            Verb::Rights(args) => rights::run(&args),
            Verb::Openapi(args) => openapi::run(&args),
            Verb::Study(args) => study::run(&args),
            Verb::Bench(args) => bench::run(&args),
            Verb::ClusterSupervise(args) => cluster::supervise::run(&args),
            Verb::Enter(args) => cluster::enter::run(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Cli::command().debug_assert();
    }
}
