//! One trial: the arm is set up, the system comes to rest, what is due is done
//! at its moment between two readings, and all is brought back.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tanso_carbon::study::delivery::{Done, Seen, delivery};
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::stream::{Deed, Event, sampled};
use tanso_carbon::study::trial::{Phase, Trial, Unit};
use tanso_power::Provenance;
use tanso_power::units::Utilisation;

use super::bench::Bench;
use super::design::{By, Design, Kind, Timer, begins};
use super::figures::{COMPONENTS, Cast, Reading, between, network, network_between};
use super::load::Load;
use super::machine::{Cpu, Helpers, network_bytes};
use super::rest::{Until, come_to_rest};

/// When the known load begins, as a share of the phase.
const LOAD_BEGINS: f64 = 0.2;

/// Every response, with its unit: the columns of the raw figures.
pub(super) fn responses() -> BTreeMap<String, Unit> {
    let parts = COMPONENTS.into_iter().chain(["cluster"]);
    let figures = parts.flat_map(|name| [format!("{name}_joules"), format!("{name}_cpu_seconds")]);
    let others = [
        "node_joules",
        "node_active_joules",
        "agent_cpu_seconds",
        "outside_cpu_seconds",
        "flux_bytes",
        "reconcile_latency_seconds",
        "drift_seconds",
        "applied_count",
        "waiting_count",
        "synced_count",
    ];
    let all = figures.chain(others.map(str::to_owned));
    all.filter_map(|name| Some((name.clone(), Unit::of_column(&name)?)))
        .collect()
}

/// Something that is due within the measured phase.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// A change or an edit.
    Event(Event),
    /// The known load begins.
    Load,
}

/// A trial that may begin.
struct Ready {
    /// What is due in the measured phase, by time.
    due: Vec<(Duration, Due)>,
    /// The component of each pod.
    pods: BTreeMap<String, &'static str>,
    /// What is to be told of how it began.
    marks: Vec<String>,
}

/// Runs a trial; gives the rows of its phases, the measured one last.
pub(super) fn run(
    bench: &mut Bench<'_>,
    design: &Design,
    kind: &Kind,
    slot: &Slot,
) -> Result<Vec<Trial>> {
    let begun = (Timestamp::now(), Instant::now());
    let ready = prepare(bench, design, kind, slot)?;
    let warm_up = Trial {
        order: slot.order,
        block: slot.block,
        arm: slot.arm.clone(),
        phase: Phase::WarmUp,
        started_at: Some(begun.0),
        duration: Some(begun.1.elapsed()),
        ..Trial::default()
    };
    let mut measured = measure(bench, design, kind, slot, ready)?;
    bench.put_to_rest(&kind.arm)?;
    measured.order = slot.order;
    measured.block = slot.block;
    measured.arm.clone_from(&slot.arm);
    Ok(vec![warm_up, measured])
}

/// Sets the arm up and waits for rest, or until the syncs of a phase with syncs
/// are about to come.
fn prepare(bench: &mut Bench<'_>, design: &Design, kind: &Kind, slot: &Slot) -> Result<Ready> {
    let (arm, phase) = (&kind.arm, design.measured());
    let events = design.events(arm, slot.block);
    let mut due: Vec<_> = events
        .into_iter()
        .map(|event| (event.at, Due::Event(event)))
        .collect();
    if arm.load {
        due.push((phase.mul_f64(LOAD_BEGINS), Due::Load));
    }
    due.sort_by_key(|(at, _)| *at);
    let mut until = Until::Rest(design.settle_max());
    match arm.interval() {
        None => bench.bring_to_wanted()?,
        Some(interval) => {
            let count = arm.kustomizations;
            let started = bench.start_flux(interval, count, slot.order)?;
            if let Timer::Sync { waiting } = kind.timer {
                if waiting > 0 {
                    bench.let_changes_wait(waiting, slot.order)?;
                }
                let syncs = (started.first, started.last);
                let (earliest, slack) = begins((interval, phase), syncs, count);
                // Anywhere in between, so that syncs come at any moment of a phase.
                let more = sampled(slack, slack, design.seed, slot.block, &arm.name);
                until = Until::Moment(started.begun + earliest + more.unwrap_or_default());
            }
        }
    }
    let pods = bench.pods()?;
    let is_at_rest = come_to_rest(bench, &pods, until)?;
    let mark = (!is_at_rest).then(|| "not at rest when it began".to_owned());
    Ok(Ready {
        due,
        pods,
        marks: mark.into_iter().collect(),
    })
}

/// What stood before the measured phase.
struct Before {
    reading: Reading,
    cpu: Cpu,
    helpers: Helpers,
    /// What went through the network of each of Flux's pods so far.
    bytes: BTreeMap<String, u64>,
}

fn measure(
    bench: &mut Bench<'_>,
    design: &Design,
    kind: &Kind,
    slot: &Slot,
    ready: Ready,
) -> Result<Trial> {
    let Ready { due, pods, marks } = ready;
    bench.forget_sightings()?;
    let reading = bench.agent.read()?;
    let started_at = Timestamp::now();
    // The figures are of a moment ago: the phase began then.
    let age = started_at.duration_since(moment(reading.at)?);
    let begin = Instant::now()
        .checked_sub(age.try_into().unwrap_or_default())
        .unwrap_or_else(Instant::now);
    let before = Before {
        bytes: network(&reading, &pods, "flux", network_bytes),
        reading,
        cpu: Cpu::read()?,
        helpers: Helpers::read()?,
    };
    let mut run = Run {
        slot,
        kind,
        begin,
        done: Vec::new(),
        marks,
        load: None,
        load_seconds: design.load_cpu_seconds,
    };
    for (at, what) in due {
        wait_until(begin + at);
        run.act(bench, at, what);
    }
    wait_until(begin + design.measured());
    let last = bench
        .agent
        .read_after(before.reading.at + design.measured().as_secs_f64())?;
    let after = (Cpu::read()?, Helpers::read()?);
    let cast = bench.cast(pods)?;
    run.row(bench, &before, &last, after, &cast)
}

fn wait_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

fn moment(seconds: f64) -> Result<Timestamp> {
    let since = Duration::try_from_secs_f64(seconds).context("the agent's time of reading")?;
    Ok(Timestamp::UNIX_EPOCH + since)
}

/// A measured phase that runs.
struct Run<'a> {
    slot: &'a Slot,
    kind: &'a Kind,
    begin: Instant,
    done: Vec<Done>,
    marks: Vec<String>,
    load: Option<Load>,
    load_seconds: f64,
}

impl Run<'_> {
    /// Does what is due; what fails marks the trial and does not end the study.
    fn act(&mut self, bench: &mut Bench<'_>, at: Duration, what: Due) {
        let late = self.begin.elapsed().saturating_sub(at);
        if late > Duration::from_secs(1) {
            self.marks.push(format!("{} ms late", late.as_millis()));
        }
        let result = match what {
            Due::Load => Load::start(self.load_seconds, bench.load_process())
                .map(|load| self.load = Some(load)),
            Due::Event(event) => self.event(bench, event),
        };
        if let Err(error) = result {
            self.mark(&format!("{what:?}: {error:#}"));
        }
    }

    fn event(&mut self, bench: &mut Bench<'_>, event: Event) -> Result<()> {
        let by_hand = event.deed == Deed::Edit;
        let word = if by_hand { "hand" } else { "trial" };
        let text = format!("{word}-{}-{}", self.slot.order, self.done.len());
        let object = Bench::application(event.object);
        self.done.push(Done {
            at: self.begin.elapsed(),
            object,
            text: text.clone(),
            by_hand,
        });
        match (event.deed, self.kind.arm.by) {
            (Deed::Edit, _) => bench.edit_by_hand(event.object, &text),
            (Deed::Change, By::Script) => bench.apply_change(event.object, &text),
            (Deed::Change, By::Flux { .. }) => bench.commit_change(event.object, &text),
            (Deed::Change, By::Nobody) => Ok(()),
        }
    }

    fn row(
        mut self,
        bench: &mut Bench<'_>,
        before: &Before,
        last: &Reading,
        (cpu, helpers): (Cpu, Helpers),
        cast: &Cast,
    ) -> Result<Trial> {
        let length = Duration::try_from_secs_f64(last.at - before.reading.at)
            .context("the agent's clock went back")?;
        let mut values = between(&before.reading, last, cast);
        let children = helpers.children - before.helpers.children;
        values.insert("outside_cpu_seconds".to_owned(), children.max(0.0));
        let bytes = network(last, &cast.pods, "flux", network_bytes);
        let pods = cast.pods.values().filter(|part| **part == "flux").count();
        match network_between(&before.bytes, &bytes, pods) {
            // Bytes of one trial are far below 2^32.
            Some(bytes) => {
                let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
                values.insert("flux_bytes".to_owned(), bytes);
            }
            None => self.marks.push("a pod of Flux told no bytes".to_owned()),
        }
        self.delivered(bench, length, &mut values);
        let synced = self.synced(bench, before.reading.at, last.at);
        values.extend(synced.map(|count| ("synced_count".to_owned(), count)));
        if let Some(load) = self.load.take() {
            // It ended long before the phase did; its time is no helper's.
            let used = load.end()?;
            if (used - self.load_seconds).abs() > 0.02 * self.load_seconds {
                self.marks.push(format!("the load used {used:.3} s"));
            }
        }
        let of = |name: &str| values.get(name).copied().unwrap_or_default();
        let spent = cpu.since(&before.cpu);
        let own = helpers.own - before.helpers.own + children;
        let ours = of("cluster_cpu_seconds") + of("agent_cpu_seconds") + own;
        let share = |part: f64| Utilisation::try_new((part / spent.all).clamp(0.0, 1.0)).ok();
        if !bench.watch_is_alive() {
            self.marks.push("the watch ended".to_owned());
        }
        Ok(Trial {
            phase: Phase::Measured,
            started_at: Some(moment(before.reading.at)?),
            duration: Some(length),
            provenance: provenance(&last.provenance),
            steal: share(spent.stolen),
            foreign_cpu: share((spent.busy - ours).max(0.0)),
            marks: self.marks,
            values,
            ..Trial::default()
        })
    }

    /// How many Kustomizations Flux synced; a part that is not what it is to be is
    /// marked, and so is one of which it is not known.
    fn synced(&mut self, bench: &Bench<'_>, from: f64, to: f64) -> Option<f64> {
        let planned = self.kind.arm.kustomizations;
        if planned == 0 {
            return Some(0.0);
        }
        let synced = match bench.synced(from, to) {
            Ok(synced) => synced,
            Err(error) => {
                self.mark(&format!("syncs were not told: {error:#}"));
                return None;
            }
        };
        self.marks
            .extend(sync_mark(self.kind.timer, planned, synced));
        // At most 500.
        Some(u32::try_from(synced).map_or(f64::MAX, f64::from))
    }

    /// Marks the trial, by a text that fits a cell.
    fn mark(&mut self, text: &str) {
        let fits = text.chars().filter(|c| !";\n\r".contains(*c));
        self.marks.push(fits.take(160).collect());
    }

    /// What became of changes and edits.
    fn delivered(
        &self,
        bench: &mut Bench<'_>,
        length: Duration,
        values: &mut BTreeMap<String, f64>,
    ) {
        let sightings = bench.sightings();
        let seen: Vec<_> = sightings
            .into_iter()
            .filter_map(|one| {
                Some(Seen {
                    at: one.at.checked_duration_since(self.begin)?,
                    object: one.object,
                    text: one.text,
                })
            })
            .collect();
        let found = delivery(&self.done, &seen, length);
        let mut put = |name: &str, value: f64| values.insert(name.to_owned(), value);
        put("drift_seconds", found.drift.as_secs_f64());
        put("applied_count", f64::from(found.applied));
        put("waiting_count", f64::from(found.waiting));
        if let Some(latency) = found.latency {
            put("reconcile_latency_seconds", latency.as_secs_f64());
        }
    }
}

/// Why a trial is not of the part that it was planned for.
fn sync_mark(timer: Timer, planned: usize, synced: usize) -> Option<String> {
    let fine = match timer {
        Timer::Own => true,
        Timer::Quiet => synced == 0,
        Timer::Sync { .. } => synced == planned,
    };
    (!fine).then(|| format!("{synced} of {planned} Kustomizations synced"))
}

fn provenance(word: &str) -> Option<Provenance> {
    let all = [
        Provenance::Measured,
        Provenance::Modelled,
        Provenance::Simulated,
    ];
    all.into_iter().find(|one| one.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_of_a_trial_has_a_column_with_its_unit() {
        let columns = responses();
        let figures = between(&Reading::default(), &Reading::default(), &Cast::default());
        assert!(figures.keys().all(|name| columns.contains_key(name)));
        assert_eq!(columns.get("flux_bytes"), Some(&Unit::Bytes));
        assert_eq!(columns.len(), 2 * COMPONENTS.len() + 2 + 10);
    }

    #[test]
    fn a_part_with_other_syncs_than_planned_is_marked() {
        let sync = Timer::Sync { waiting: 3 };
        assert_eq!(sync_mark(sync, 5, 5), None);
        assert_eq!(
            sync_mark(sync, 5, 4).unwrap(),
            "4 of 5 Kustomizations synced"
        );
        assert_eq!(sync_mark(Timer::Quiet, 5, 0), None);
        assert!(sync_mark(Timer::Quiet, 5, 1).is_some());
        assert_eq!(sync_mark(Timer::Own, 5, 2), None);
    }

    #[test]
    fn the_agent_s_word_is_the_provenance() {
        assert_eq!(provenance("modelled"), Some(Provenance::Modelled));
        assert_eq!(provenance("guessed"), None);
    }
}
