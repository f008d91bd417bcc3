//! The program: puts the parts together and runs them until the shutdown.

mod state;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

use tanso_agent_wire::energy::JournalId;
use tanso_agent_wire::families::Level;
use tanso_power::model::MachineFeatures;
use tanso_runtime::logs::LogHandle;
use tanso_runtime::review::ClusterReview;
use tanso_runtime::serve::tls::TlsFault;
use tanso_runtime::serve::{Limits, ListenFault, Tls, listen, serve_with};
use tanso_runtime::{Health, Shutdown};

use state::{new_journal_id, state_dir};

use crate::READINESS;
use crate::activity::{self, Watcher};
use crate::checkpoint::Checkpoint;
use crate::clock::Now;
use crate::host::cgroup::MemoryFiles;
use crate::host::{Hierarchies, HostError, Machine};
use crate::journal::{Journal, JournalFault};
use crate::kernel::{CpuTime, EbpfOptions, KernelError, Rung, climb, clock_state};
use crate::meters::model::{Guest, Model, ModelSource, fetch};
use crate::meters::redfish::{self, Redfish, RedfishSource};
use crate::meters::{
    Bench, Meter, acpi::Acpi, fake::Fake, hwmon::Hwmon, nvml::Nvml, perf::Perf, probe, rapl::Rapl,
};
use crate::names::{self, NameTable};
use crate::pmu::{CounterReport, CounterState, EventCodes};
use crate::processes::Processes;
use crate::processors::processors;
use crate::reload::{self, Live};
use crate::rights::{self, Right};
use crate::samples::send::{self, Target};
use crate::samples::{Sampler, Waiting};
use crate::serve::{Access, Sources, legacy_router, push, router};
use crate::settings::exports::Switch;
use crate::settings::{Kubernetes, MeterName, Samples, Settings};
use crate::snapshot::Published;
use crate::tick::{self, Cycle, IdleRule, Parts, StartFault};

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    /// No directory for the state.
    #[error("state directory \"{}\": {source}; choose another with --state-dir", path.display())]
    StateDir {
        /// The last one tried.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another agent has the directory.
    #[error("state directory \"{}\" is in use by another agent", .0.display())]
    InUse(PathBuf),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The machine cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No source of CPU time.
    #[error(transparent)]
    Cpu(#[from] KernelError),
    /// No first reading.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The address is not to be had.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// The server's identity is not to be had.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// Tokens cannot be judged.
    #[error("token review: {0}; it needs a cluster's API server: set tokenReview to off")]
    Review(kube::Error),
    /// A thread cannot be made.
    #[error("starting the reading thread: {0}")]
    Thread(io::Error),
    /// The reading thread died.
    #[error("the reading thread ended unexpectedly")]
    Died,
}

/// Measures and serves until the shutdown begins.
///
/// # Errors
/// If the state directory, the address or a source of CPU time is not to be
/// had. A missing meter, model server or API server is a state, no error.
pub async fn run(settings: Settings, logs: LogHandle, shutdown: Shutdown) -> Result<(), RunFault> {
    tell_warnings(&settings);
    let (directory, _lock) = state_dir(&settings.state_dirs())?;
    let listener = listen(settings.listen).await?;
    let machine = Machine::read(&settings.roots)?;
    let (checkpoint, saved) =
        Checkpoint::open(&directory).map_err(|source| RunFault::StateDir {
            path: directory.clone(),
            source,
        })?;
    // A journal without a record yet keeps its name over a restart.
    let id = saved
        .as_ref()
        .map_or_else(new_journal_id, |saved| JournalId(saved.journal));
    let journal = Arc::new(Journal::open(&directory, id)?);
    let published = Arc::new(Published::empty());
    let names = Arc::new(NameTable::default());
    let model = Arc::new(ModelSource::open(&directory));
    let features = fetch::features(&machine);
    ask_model_server(&settings, &model, &features, &published, &shutdown);
    let bmc = bmc(&settings);
    if let Some(own) = settings.redfish.clone()
        && settings.meters.contains(&MeterName::Redfish)
    {
        tokio::spawn(redfish::keep(Arc::clone(&bmc), own, shutdown.clone()));
    }
    if settings.kubernetes == Kubernetes::On {
        tokio::spawn(watch_names(
            settings.node_name.clone(),
            Arc::clone(&names),
            shutdown.clone(),
        ));
    }
    let health = Health::new(&[READINESS]);
    let processors = processors(&settings.roots);
    let idle = idle_rule(&settings, processors.len());
    let mut sources = Sources::new(
        settings.node_name.as_str().into(),
        Arc::clone(&published),
        Arc::clone(&journal),
        processors.into(),
    );
    sources.rights = look_at_rights(&settings);
    let exporting = export(&settings, &mut sources, &health, &shutdown).await?;
    let live = Live::new(&settings, Arc::clone(&sources.policy), logs);
    let interval = live.interval();
    let tally = Arc::clone(&sources.counters);
    tokio::spawn(reload::keep(
        live,
        settings.clone(),
        tally,
        shutdown.clone(),
    ));
    let source = cpu_time(&settings, &machine)?;
    let processes = by_process(&settings).then(|| {
        let most = settings.exports.policy.options.bounds.processes;
        Processes::new(settings.roots.proc.clone(), most)
    });
    let parts = Parts {
        processes,
        hardware_counters: reads_hardware(&settings),
        cpu: source,
        usage: Hierarchies::detect(&settings.roots).usage(),
        memory: MemoryFiles::detect(&settings.roots),
        bench: bench(&settings, &machine, &model, &bmc),
        roots: settings.roots.clone(),
        checkpoint,
        journal,
        names,
        idle,
        published,
        boot_id: machine.boot_id,
        clock_is_kept: clock_state::clock_is_kept,
    };
    // A sensor of the whole machine sees its accelerators.
    let whole = fetch::with_accelerators(&features, fetch::accelerators(&settings.roots));
    let sampler = sampler(&settings, whole, &shutdown);
    let watcher = Watcher::new(&settings.roots, machine.virtualised);
    let cycle = Cycle::start(parts, saved, Now::read())?
        .sampling(sampler)
        .watching(watcher, model);
    tracing::info!(node = settings.node_name, listen = %settings.listen, state = %directory.display(), "measuring");
    let (stop, stopped) = mpsc::channel::<()>();
    let thread_health = health.clone();
    // The thread's end, wanted or not, ends the program.
    let ended = shutdown.clone();
    let reading = std::thread::Builder::new()
        .name("reading".to_owned())
        .spawn(move || {
            let _end = EndOnDrop(ended);
            tick::run(cycle, || interval.get(), &stopped, &thread_health);
        })
        .map_err(RunFault::Thread)?;
    let routes = router(sources, &health);
    serve_with(listener, exporting, routes, Limits::default(), shutdown).await;
    drop(stop);
    let joined = tokio::task::spawn_blocking(move || reading.join()).await;
    match joined {
        Ok(Ok(())) => Ok(()),
        _ => Err(RunFault::Died),
    }
}

fn tell_warnings(settings: &Settings) {
    for warning in &settings.warnings {
        tracing::warn!(
            key = warning.key,
            instead = warning.instead,
            "a key of Kepler's configuration is not followed"
        );
    }
}

/// The rights of this process; those that are missing are logged.
fn look_at_rights(settings: &Settings) -> Arc<[Right]> {
    let all = rights::rights(&settings.roots);
    for right in all.iter().filter(|right| !right.held) {
        tracing::warn!(
            right = right.name,
            lost = right.lost,
            remedy = right.remedy,
            "a right is missing"
        );
    }
    all.into()
}

/// Starts all of exporting but the main address; returns its identity.
async fn export(
    settings: &Settings,
    sources: &mut Sources,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<Option<Arc<Tls>>, RunFault> {
    let exports = &settings.exports;
    sources.policy.store(Arc::new(exports.policy.clone()));
    if let Some(audiences) = exports.token_review.clone() {
        let client = kube::Client::try_default()
            .await
            .map_err(RunFault::Review)?;
        let review = ClusterReview::new(client, audiences);
        sources.access = Arc::new(Access::new(Some(Arc::new(review))));
    }
    let tls = exports
        .tls
        .clone()
        .map(Tls::load)
        .transpose()?
        .map(Arc::new);
    if let Some(tls) = tls.clone() {
        let ends = shutdown.clone();
        tokio::spawn(async move { tls.keep(reload::LOOK_EVERY, ends).await });
    }
    if let Some(address) = exports.legacy_listen {
        let listener = listen(address).await?;
        let routes = legacy_router(sources.clone(), health);
        let limits = Limits::default();
        tokio::spawn(serve_with(
            listener,
            tls.clone(),
            routes,
            limits,
            shutdown.clone(),
        ));
    }
    if let Some(push) = exports.push.clone() {
        tokio::spawn(push::keep(sources.clone(), push, shutdown.clone()));
    }
    Ok(tls)
}

/// Keeps the power model as the model server has it, where that is wanted.
fn ask_model_server(
    settings: &Settings,
    model: &Arc<ModelSource>,
    features: &MachineFeatures,
    published: &Arc<Published>,
    shutdown: &Shutdown,
) {
    if let Some(url) = settings.model_server.clone()
        && settings.meters.contains(&MeterName::Model)
    {
        model.refuse("no power model yet: the model server was not asked yet");
        let server = fetch::ModelServer {
            url,
            files: settings.model_client.clone(),
        };
        let (source, features) = (Arc::clone(model), features.clone());
        let (published, roots) = (Arc::clone(published), settings.roots.clone());
        // Whom a meter of their own measures, the model is not to hold too.
        let machine = move || {
            let snapshot = published.load_full();
            let unmeasured = snapshot.is_some_and(|snapshot| {
                let nvml = MeterName::Nvml.as_str();
                let meters = &snapshot.meters;
                !meters
                    .iter()
                    .any(|meter| meter.name == nvml && !meter.zones.is_empty())
            });
            let boards = unmeasured.then(|| fetch::accelerators(&roots)).flatten();
            fetch::with_accelerators(&features, boards)
        };
        tokio::spawn(fetch::keep(source, server, machine, shutdown.clone()));
    }
}

fn idle_rule(settings: &Settings, processors: usize) -> IdleRule {
    IdleRule {
        split: settings.idle,
        sharing: settings.idle_sharing,
        processors: u64::try_from(processors).unwrap_or(u64::MAX),
    }
}

fn by_process(settings: &Settings) -> bool {
    settings.exports.policy.options.levels.has(Level::Process)
}

fn reads_hardware(settings: &Settings) -> bool {
    settings.hardware_counters == Switch::On
}

/// Opens the best source of CPU time, and says why it is no better one.
fn cpu_time(settings: &Settings, machine: &Machine) -> Result<Box<dyn CpuTime>, KernelError> {
    let events = EventCodes::of_processor(machine.cpu.vendor.as_deref());
    let options = EbpfOptions {
        time_resolved: settings.time_resolved,
        processes: by_process(settings),
        nothing: settings.empty_program,
        hardware: reads_hardware(settings).then_some(events),
        ..EbpfOptions::default()
    };
    let climb = climb(&settings.roots, options, settings.cpu_time)?;
    for refusal in &climb.refusals {
        tracing::warn!(rung = %refusal.rung, reason = refusal.reason, "source of CPU time is not used");
    }
    tracing::info!(rung = %climb.source.rung(), how = climb.source.explain(), "source of CPU time chosen");
    if reads_hardware(settings) {
        tell_counters(&climb.source.counters());
    }
    if by_process(settings) && climb.source.rung() != Rung::Ebpf {
        tracing::warn!("processes are told apart by the kernel programs alone; none are listed");
    }
    Ok(climb.source)
}

/// Says how the hardware counters stand that were asked for.
fn tell_counters(reports: &[CounterReport]) {
    if reports.is_empty() {
        tracing::warn!(
            "hardware counters are read by the kernel programs alone; energy is shared by CPU time"
        );
    }
    for report in reports {
        let (counter, state) = (report.counter, report.state.as_str());
        if report.state == CounterState::Active {
            tracing::info!(
                counter,
                state,
                "hardware counter is read at context switches"
            );
        } else {
            let reason = report.state.reason();
            tracing::warn!(
                counter,
                state,
                reason,
                "hardware counter is not read; CPU time stands in"
            );
        }
    }
}

/// Sends samples to the model server, if settings ask for it.
fn sampler(settings: &Settings, machine: MachineFeatures, shutdown: &Shutdown) -> Option<Sampler> {
    let server = settings
        .samples_server
        .clone()
        .or_else(|| settings.model_server.clone())
        .filter(|_| settings.samples == Samples::On)?;
    let waiting = Arc::new(Waiting::default());
    let target = Target {
        server,
        node: settings.node_name.clone(),
        machine,
        files: settings.model_client.clone(),
    };
    tokio::spawn(send::keep(target, Arc::clone(&waiting), shutdown.clone()));
    Some(Sampler::new(&settings.node_name, waiting))
}

/// Begins the shutdown when it is dropped, also by a panic.
struct EndOnDrop(Shutdown);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.begin();
    }
}

/// Looks at the machine's meters for a second and says what was found.
///
/// # Errors
/// If the machine cannot be read.
pub async fn probe(settings: Settings) -> Result<String, RunFault> {
    let machine = Machine::read(&settings.roots)?;
    let directory = settings.state_dirs().into_iter().next().unwrap_or_default();
    let model = Arc::new(ModelSource::open(&directory));
    let bmc = bmc(&settings);
    if let Some(own) = settings.redfish.clone() {
        redfish::once(&bmc, own).await;
    }
    let bench = bench(&settings, &machine, &model, &bmc);
    let table = shown_rights(&rights::rights(&settings.roots));
    let watcher = Watcher::new(&settings.roots, machine.virtualised);
    let shown = tokio::task::spawn_blocking(move || {
        probe::table(bench, probe::SPAN) + &activity::table(watcher, probe::SPAN)
    });
    shown
        .await
        .map(|meters| table + &meters)
        .map_err(|_| RunFault::Died)
}

/// The rights as a table for people, with what is lost without the missing.
fn shown_rights(rights: &[Right]) -> String {
    let mut text = format!("{:<14} {:<5} lost without it\n", "RIGHT", "HELD");
    for right in rights {
        let held = if right.held { "yes" } else { "no" };
        let lost = if right.held {
            "-".to_owned()
        } else {
            format!("{}; {}", right.lost, right.remedy)
        };
        let line = format!("{:<14} {held:<5} {lost}", right.name);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    text
}

fn bmc(settings: &Settings) -> Arc<RedfishSource> {
    Arc::new(match &settings.redfish {
        Some(own) => RedfishSource::of(&own.endpoint),
        None => RedfishSource::default(),
    })
}

fn bench(
    settings: &Settings,
    machine: &Machine,
    model: &Arc<ModelSource>,
    bmc: &Arc<RedfishSource>,
) -> Bench {
    let guest = Guest {
        threads: machine.cpu.threads,
        virtualised: machine.virtualised,
    };
    let library = settings.nvml_library.clone().map(PathBuf::into_os_string);
    let make = |name: &MeterName| -> Box<dyn Meter> {
        match name {
            MeterName::Rapl => Box::new(Rapl::new(&settings.roots.sys)),
            MeterName::Perf => Box::new(Perf::new(&settings.roots.sys)),
            MeterName::Acpi => Box::new(Acpi::new(&settings.roots.sys)),
            MeterName::Hwmon => Box::new(Hwmon::new(&settings.roots.sys)),
            MeterName::Redfish => Box::new(Redfish::new(Arc::clone(bmc))),
            MeterName::Nvml => Box::new(Nvml::new(library.clone())),
            MeterName::Model => Box::new(Model::new(Arc::clone(model), guest)),
            MeterName::Fake => Box::new(Fake::default()),
        }
    };
    let disabled = MeterName::ALL
        .into_iter()
        .filter(|name| !settings.meters.contains(name));
    Bench::new(
        settings.meters.iter().map(make).collect(),
        disabled.map(MeterName::as_str).collect(),
    )
}

async fn watch_names(node: String, table: Arc<NameTable>, shutdown: Shutdown) {
    match kube::Client::try_default().await {
        Ok(client) => names::watch(client, node, table, shutdown).await,
        Err(fault) => {
            tracing::warn!(error = %fault, "no access to the API server; containers stay without names");
        }
    }
}
