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
use super::design::{ArmDesign, By, Design};
use super::figures::{COMPONENTS, Cast, Reading, between, network, network_between};
use super::load::Load;
use super::machine::{Cpu, Helpers, network_bytes};

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
    /// Flux's interval ends.
    Sync,
    /// The known load begins.
    Load,
}

/// Runs a trial; gives the rows of its phases, the measured one last.
pub(super) fn run(
    bench: &mut Bench<'_>,
    design: &Design,
    arm: &ArmDesign,
    slot: &Slot,
) -> Result<Vec<Trial>> {
    let begun = (Timestamp::now(), Instant::now());
    let due = prepare(bench, design, arm, slot)?;
    thread::sleep(Duration::from_secs(design.settle_seconds));
    let warm_up = Trial {
        order: slot.order,
        block: slot.block,
        arm: slot.arm.clone(),
        phase: Phase::WarmUp,
        started_at: Some(begun.0),
        duration: Some(begun.1.elapsed()),
        ..Trial::default()
    };
    let mut measured = measure(bench, design, arm, slot, &due)?;
    bench.put_to_rest(arm)?;
    thread::sleep(Duration::from_secs(design.rest_seconds));
    measured.order = slot.order;
    measured.block = slot.block;
    measured.arm.clone_from(&slot.arm);
    Ok(vec![warm_up, measured])
}

/// Sets the arm up; gives what is due in its measured phase, by time.
fn prepare(
    bench: &mut Bench<'_>,
    design: &Design,
    arm: &ArmDesign,
    slot: &Slot,
) -> Result<Vec<(Duration, Due)>> {
    let phase = design.measured();
    let events = design.events(arm, slot.block);
    let mut due: Vec<_> = events
        .into_iter()
        .map(|event| (event.at, Due::Event(event)))
        .collect();
    if arm.load {
        due.push((phase.mul_f64(LOAD_BEGINS), Due::Load));
    }
    match arm.interval() {
        None => bench.bring_to_wanted()?,
        Some(interval) => {
            bench.start_flux(interval, arm.kustomizations, slot.order)?;
            let longer = interval > phase;
            let at = sampled(phase, interval, design.seed, slot.block, &arm.name);
            if let Some(at) = at.filter(|_| longer) {
                if arm.changes {
                    let times = interval.as_secs_f64() / phase.as_secs_f64();
                    let waiting = f64::from(design.changes) * times;
                    bench.let_changes_wait(waiting, arm.kustomizations, slot.order)?;
                }
                due.push((at, Due::Sync));
            }
        }
    }
    due.sort_by_key(|(at, _)| *at);
    Ok(due)
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
    arm: &ArmDesign,
    slot: &Slot,
    due: &[(Duration, Due)],
) -> Result<Trial> {
    let pods = bench.pods()?;
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
        arm,
        begin,
        done: Vec::new(),
        marks: Vec::new(),
        load: None,
        load_seconds: design.load_cpu_seconds,
    };
    for (at, what) in due {
        wait_until(begin + *at);
        run.act(bench, *at, *what);
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
    arm: &'a ArmDesign,
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
            Due::Sync => bench.ask_for_sync(self.slot.order),
            Due::Load => Load::start(self.load_seconds, bench.load_process())
                .map(|load| self.load = Some(load)),
            Due::Event(event) => self.event(bench, event),
        };
        if let Err(error) = result {
            let told = format!("{what:?}: {error:#}");
            let told: String = told
                .chars()
                .filter(|c| !";\n\r".contains(*c))
                .take(160)
                .collect();
            self.marks.push(told);
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
        match (event.deed, self.arm.by) {
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
        assert_eq!(columns.len(), 2 * COMPONENTS.len() + 2 + 9);
    }

    #[test]
    fn the_agent_s_word_is_the_provenance() {
        assert_eq!(provenance("modelled"), Some(Provenance::Modelled));
        assert_eq!(provenance("guessed"), None);
    }
}
