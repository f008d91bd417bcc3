//! What advice is worth, in words, and why there is none.

use super::super::super::words;
use super::*;

/// The answer called the attributed saving of a smaller request what "saves
/// most", and the column showed it as the cluster's.
#[test]
fn a_smaller_request_is_never_said_to_save_the_cluster_anything_by_itself() {
    let (policy, found) = evaluate(&spec(IntensitySource::Static), &snapshot());
    let advice = workload(&found, "api").recommendations.first().unwrap();
    assert_eq!(advice.action, "Rightsize");
    let said = words::answer(&policy, &found);
    assert!(!said.contains("Saves most"), "{said}");
    assert!(
        said.contains("Moves most to others: Rightsize of Deployment api")
            && said.contains("saves only if a node goes"),
        "{said}"
    );
    assert_eq!(words::summary(&policy, &found).saving, "0mg/d");
    // A job at another time does save, and is what the column shows.
    let (policy, found) = evaluate(&spec(IntensitySource::Bundled), &snapshot());
    let said = words::answer(&policy, &found);
    assert!(
        said.contains("Saves most: ShiftInTime of CronJob etl"),
        "{said}"
    );
    let shift = &workload(&found, "etl").recommendations[0];
    let shown = words::emissions(shift.saving_milligrams_per_day.value);
    assert_eq!(words::summary(&policy, &found).saving, format!("{shown}/d"));
}

#[test]
fn memory_that_nobody_holds_is_advised_away_and_saves_the_cluster_nothing_by_itself() {
    let (_, found) = evaluate(&spec(IntensitySource::Static), &with_memory());
    let all = &workload(&found, "api").recommendations;
    let advice = all.iter().find(|one| one.action == "RightsizeMemory");
    let advice = advice.unwrap_or_else(|| panic!("{:?}", workload(&found, "api").no_advice));
    assert_eq!(advice.cluster_saving_milligrams_per_day, 0);
    // Two pods of half a node's memory each bear a whole node's idle energy; with about
    // 5 GiB of 64 the quarter of its CPU is more. Half an hour of idle energy is a 48th.
    let idle_kwh = 60_000_000_003.0 * 48.0 / 3.6e12;
    let whole_mg = idle_kwh * 1.32 * 417.3 * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "milligrams of a day")]
    let moved = advice.saving_milligrams_per_day.value as f64 / whole_mg;
    assert!((0.499..0.501).contains(&moved), "{moved}");
    assert_eq!(advice.confidence, "High");
    assert!(advice.change.contains("\"store\"") && advice.change.contains("\"memory\""));
    assert!(advice.basis.contains("(seen: 4096Mi)"), "{}", advice.basis);
    assert!(advice.basis.ends_with("advice on CPU"), "{}", advice.basis);
    // The sleeper is removed, not made smaller; the others have no figures.
    assert!(workload(&found, "sleeper").recommendations.len() <= 1);
    // Of the job's runs no agent told any.
    let etl = &workload(&found, "etl").no_advice;
    let etl = etl.iter().find(|why| why.action == "RightsizeMemory");
    assert_eq!(etl.unwrap().reason, "TooFewSamples");
}

fn unadvised(found: &Evaluation, name: &str, action: &str) -> (String, String) {
    let why = &workload(found, name).no_advice;
    let why = why.iter().find(|why| why.action == action);
    let why = why.unwrap_or_else(|| panic!("{action}: {:?}", workload(found, name)));
    (why.reason.clone(), why.message.clone())
}

/// A pod of which no agent told anything was passed over where another of the
/// workload was told of: it may have held more.
#[test]
fn a_pod_that_nobody_tells_the_memory_of_is_missed() {
    let mut partly = with_memory();
    partly.memory_told = [Arc::from("a1")].into();
    let (_, found) = evaluate(&spec(IntensitySource::Static), &partly);
    let (reason, message) = unadvised(&found, "api", "RightsizeMemory");
    assert_eq!(reason, "TooFewSamples");
    assert!(message.contains("told for 1 of 2 pods"), "{message}");
    // One that runs without using energy has no row and is missed all the same.
    let mut silent = with_memory();
    let (uid, mut names) = names("a3", "Deployment", "api");
    names.memory_request_bytes = Some(32 << 30);
    names.memory_container = "store".to_owned();
    silent.pods.insert(Arc::clone(&uid), names);
    let (_, found) = evaluate(&spec(IntensitySource::Static), &silent);
    let (_, message) = unadvised(&found, "api", "RightsizeMemory");
    assert!(message.contains("told for 2 of 3 pods"), "{message}");
    // One that began just now cannot have been told of.
    silent.pods.get_mut(&uid).unwrap().started_at = Some(THROUGH - 300);
    let (_, found) = evaluate(&spec(IntensitySource::Static), &silent);
    let advised = &workload(&found, "api").recommendations;
    assert!(advised.iter().any(|one| one.action == "RightsizeMemory"));
    assert_ne!(
        found.inputs_digest,
        evaluate(&spec(IntensitySource::Static), &partly)
            .1
            .inputs_digest
    );
}

/// Minutes of a ninth day made a day of few minutes enough.
#[test]
fn memory_of_days_that_no_longer_count_is_no_minute_of_those_that_do() {
    let mut seen = with_memory();
    let days = seen.memory.values_mut().next().unwrap();
    for held in days.values_mut() {
        held.minutes = 100;
    }
    let old = MemoryDay {
        peak_bytes: 1,
        minutes: 1_440,
        killed_with: None,
    };
    days.extend([8, 9].map(|ago| (hour().plus_hours(-24 * ago), old)));
    let (_, found) = evaluate(&spec(IntensitySource::Static), &seen);
    let (reason, message) = unadvised(&found, "api", "RightsizeMemory");
    assert_eq!(reason, "TooFewSamples");
    assert!(message.contains("seen in 800 minutes"), "{message}");
}

/// What is new was spread over minutes in which it was not there yet, so a day
/// of it came out too small.
#[test]
fn a_day_of_what_is_new_is_reckoned_from_when_it_began() {
    let spec = spec(IntensitySource::Static);
    let policy = policy(&spec, &Observed::default());
    let data_through = Timestamp::from_second(THROUGH).unwrap();
    let there = |snapshot: &Snapshot| {
        let inputs = Inputs {
            policy: &policy,
            snapshot,
            facts: &Cluster,
            window: window(data_through, policy.window_hours),
            data_through,
            expected_nodes: &BTreeSet::new(),
            idle_sharing: &BTreeMap::new(),
            is_whole: true,
        };
        let rows = Rows::of(&policy, snapshot, inputs.window);
        let pods = Pod::all(&rows, snapshot);
        let grouped = Grouped::of(&rows, &pods, snapshot);
        let mut workloads = grouped.workloads.iter();
        let api = workloads.find(|one| one.key.name == "api").unwrap();
        standing::there_minutes(&Scene::of(&inputs, &policy.places(), &rows.nodes), api)
    };
    let mut seen = snapshot();
    assert_eq!(there(&seen), Some(30));
    for (_, minutes) in seen.node_idle.values_mut() {
        *minutes = 1_440;
    }
    assert_eq!(there(&seen), Some(30));
    for pod in seen.pods.values_mut() {
        pod.started_at = Some(THROUGH - 600);
    }
    assert_eq!(there(&seen), Some(10));
    // A pod that another replaced was it too.
    let earlier = HourRow {
        hour: hour().plus_hours(-5),
        ..row(pod("a0"), 1_000_000, Provenance::Measured)
    };
    let (uid, mut names) = names("a0", "Deployment", "api");
    names.started_at = Some(THROUGH - 86_400);
    seen.pods.insert(uid, names);
    seen.rows.push(earlier);
    assert_eq!(there(&seen), Some(330));
    seen.node_idle.clear();
    assert_eq!(there(&seen), None);
}

/// Their CPU was not looked at and their memory neither, without a word.
#[test]
fn what_runs_by_schedule_is_made_to_fit_and_what_runs_once_is_told_why_not() {
    let mut runs = with_memory();
    let two_runs = runs.cpu_minutes.clone();
    let of_job = two_runs.pods().flat_map(|(_, minutes)| minutes).map(|one| {
        let cpu_us = 6_000_000;
        (Arc::from("j1"), CpuMinute { cpu_us, ..*one })
    });
    runs.cpu_minutes.extend(of_job);
    for pod in runs.pods.values_mut() {
        pod.memory_request_bytes = Some(1 << 30);
    }
    let key = ["shop", "CronJob", "etl"].map(str::to_owned);
    let of_api = runs.memory.values().next().unwrap().clone();
    let few = of_api.into_iter().map(|(day, held)| {
        let minutes = held.minutes / 20;
        (day, MemoryDay { minutes, ..held })
    });
    runs.memory.insert(key, few.collect());
    runs.memory_told.insert(Arc::from("j1"));
    let (_, found) = evaluate(&spec(IntensitySource::Static), &runs);
    let etl = workload(&found, "etl");
    let cpu = etl.recommendations.iter();
    let cpu = cpu.clone().find(|one| one.action == "Rightsize");
    let cpu = cpu.unwrap_or_else(|| panic!("{:?}", etl.no_advice));
    assert!(cpu.change.contains("patch cronjob etl"), "{}", cpu.change);
    assert!(cpu.change.contains("jobTemplate"), "{}", cpu.change);
    // It ran for all of the half hour that is covered: a pod all day, of a quarter of the node's CPU
    // and from 115m (with the bucket's width) on of the memory's 64th.
    let whole_mg = 60_000_000_003.0 * 48.0 / 3.6e12 * 1.32 * 417.3 * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "milligrams of a day")]
    let moved = cpu.saving_milligrams_per_day.value as f64 / whole_mg;
    assert!((0.21..0.235).contains(&moved), "{moved}");
    let (reason, message) = unadvised(&found, "etl", "RightsizeMemory");
    assert_eq!(reason, "TooFewSamples");
    assert!(message.contains("seen in 576 minutes"), "{message}");

    let mut once = with_memory();
    for pod in once.pods.values_mut() {
        pod.workload_kind = "Job".to_owned();
    }
    let (_, found) = evaluate(&spec(IntensitySource::Static), &once);
    for action in ["Rightsize", "RightsizeMemory"] {
        let (reason, message) = unadvised(&found, "api", action);
        assert_eq!(reason, "NoRequest");
        assert!(message.contains("run once"), "{message}");
    }
}

/// Advice on CPU went by CPU alone and advice on memory by the larger share,
/// whatever the agents charge.
#[test]
fn idle_energy_is_shared_by_one_rule_and_by_the_agents_where_they_have_one() {
    let static_spec = spec(IntensitySource::Static);
    let policy = policy(&static_spec, &Observed::default());
    let by = |sharing: Option<IdleSharing>| {
        let of_node = sharing.map(|sharing| ("n1".to_owned(), sharing));
        let charged = of_node.into_iter().collect();
        judged_by(&policy, &with_memory(), &Cluster, &charged)
    };
    let action = |found: &Evaluation, action: &str| {
        let all = &workload(found, "api").recommendations;
        all.iter().find(|one| one.action == action).cloned()
    };
    // Half of a node's memory is more than a quarter of its CPU: less CPU moves nothing.
    let plain = by(None);
    let (_, message) = unadvised(&plain, "api", "Rightsize");
    assert!(message.contains("memory is the larger share"), "{message}");
    let memory = action(&plain, "RightsizeMemory").unwrap();
    let supposed = "supposing that idle energy is borne by the larger of the CPU and memory share";
    assert!(memory.basis.contains(supposed), "{}", memory.basis);
    let by_requests = by(Some(IdleSharing::Requests));
    let (_, message) = unadvised(&by_requests, "api", "RightsizeMemory");
    assert!(message.contains("by the CPU asked for alone"), "{message}");
    let cpu = action(&by_requests, "Rightsize").unwrap();
    assert!(cpu.basis.contains("at least"), "{}", cpu.basis);
    let by_use = by(Some(IdleSharing::Use));
    for action in ["Rightsize", "RightsizeMemory"] {
        let (_, message) = unadvised(&by_use, "api", action);
        assert!(message.contains("idleSharing: Use"), "{message}");
    }
    assert_ne!(by_use.inputs_digest, plain.inputs_digest);
}

#[test]
fn why_a_memory_request_is_left_alone_is_said() {
    let why = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = with_memory();
        change(&mut snapshot);
        let (_, found) = evaluate(&spec(IntensitySource::Static), &snapshot);
        let all = workload(&found, "api").no_advice.clone();
        let of_memory = all.into_iter().find(|why| why.action == "RightsizeMemory");
        of_memory.map(|why| why.reason)
    };
    let each_pod = |snapshot: &mut Snapshot, change: fn(&mut PodNames)| {
        snapshot.pods.values_mut().for_each(change);
    };
    assert_eq!(why(&|_| {}), None);
    let silent = why(&|s| s.memory.clear());
    assert_eq!(silent.as_deref(), Some("TooFewSamples"));
    let several = why(&|s| each_pod(s, |pod| pod.memory_container.clear()));
    assert_eq!(several.as_deref(), Some("NoRequest"));
    let tight = why(&|s| each_pod(s, |pod| pod.memory_request_bytes = Some(4 << 30)));
    assert_eq!(tight.as_deref(), Some("SavesTooLittle"));
    // Nobody asks where no agent tells of memory and no pod asks for any.
    let none = why(&|s| {
        s.memory.clear();
        each_pod(s, |pod| pod.memory_request_bytes = None);
    });
    assert_eq!(none, None);
}

/// Runs in parts were in the library and no policy could ask for them.
#[test]
fn a_job_that_may_be_interrupted_is_told_its_best_hours_and_what_they_save() {
    let mut hours = snapshot();
    for pod in hours.pods.values_mut() {
        pod.started_at = Some(THROUGH - 9_600);
    }
    let by = |restart: Option<i32>| {
        let mut spec = spec(IntensitySource::Bundled);
        let listed = restart.map(|restart_percent| crd::InterruptibleSpec {
            cron_job: "etl".into(),
            restart_percent,
        });
        spec.recommendations.interruptible = listed.into_iter().collect();
        evaluate(&spec, &hours).1
    };
    let plain = by(None);
    assert_eq!(workload(&plain, "etl").in_parts, None);
    let free = by(Some(0));
    let etl = workload(&free, "etl");
    let parts = etl.in_parts.as_ref().unwrap();
    // Two and a half hours are counted as three.
    assert!(parts.restarts > 0 && parts.parts.len() <= 3, "{parts:?}");
    assert!(parts.parts.iter().all(|part| part.ends_with(" +09")));
    assert!(parts.saving_milligrams.value > 0 && parts.saving_milli_percent > 0);
    assert!(
        parts.basis.contains("restarts at 0 thousandths"),
        "{parts:?}"
    );
    // The advice to shift it whole stays, and what asks for nothing else gets nothing.
    assert_eq!(etl.recommendations, workload(&plain, "etl").recommendations);
    assert_eq!(workload(&free, "api").in_parts, None);
    // A restart that costs ten hours' energy keeps it together, and that is said.
    let dear = by(Some(1_000));
    let etl = workload(&dear, "etl");
    assert_eq!(etl.in_parts, None);
    let said = etl.no_advice.iter().map(|why| why.message.as_str());
    let said: Vec<_> = said.filter(|said| said.starts_with("in parts: ")).collect();
    assert_eq!(
        said,
        ["in parts: its best hours are neighbours: a break saves nothing"]
    );
    // It is another wish, and so another evaluation.
    assert_ne!(free.inputs_digest, plain.inputs_digest);
}

/// With the default window it needed 24 hours and saw 23, and said nothing.
#[test]
fn what_does_nothing_is_found_with_a_window_of_a_day_whoever_asks_for_cpu() {
    let with = |days, most: Option<u64>, container: &str| {
        let mut seen = snapshot();
        seen.cpu_days = idle_days(days);
        let all = seen.cpu_days.values_mut().flat_map(BTreeMap::values_mut);
        for (day, most) in all.zip(most) {
            day.most_microcores = most;
        }
        let (uid, _) = names("i1", "Deployment", "sleeper");
        seen.pods.get_mut(&uid).unwrap().container = container.to_owned();
        evaluate(&spec(IntensitySource::Static), &seen).1
    };
    // Two containers of a pod that ask for CPU are no reason to keep it.
    for container in ["main", ""] {
        let found = with(1, None, container);
        let advice = workload(&found, "sleeper").recommendations.first().unwrap();
        assert_eq!(advice.action, "RemoveIdle");
        assert_eq!(advice.confidence, "Medium");
        assert!(
            advice.basis.starts_with("idle: at most 1.0m"),
            "{}",
            advice.basis
        );
    }
    let found = with(7, None, "main");
    let advice = workload(&found, "sleeper").recommendations.first().unwrap();
    assert!(advice.basis.starts_with("zombie"), "{}", advice.basis);
    assert_eq!(advice.confidence, "High");
    let (reason, message) = unadvised(&with(0, None, "main"), "sleeper", "RemoveIdle");
    assert_eq!(reason, "TooFewSamples");
    assert!(message.contains("at least 24 h"), "{message}");
    // A burst of a minute in a week is work, however little its hour's mean is.
    let works = with(7, Some(30_000), "main");
    let all = &workload(&works, "sleeper").recommendations;
    assert!(all.iter().all(|one| one.action != "RemoveIdle"), "{all:?}");
    assert_ne!(works.inputs_digest, found.inputs_digest);
    // Days that no longer count are none, and those of other workloads change nothing.
    let mut seen = snapshot();
    let plain = evaluate(&spec(IntensitySource::Static), &seen).1;
    let other = ["shop", "Deployment", "other"].map(str::to_owned);
    seen.cpu_days = idle_days(3);
    let of_sleeper = seen.cpu_days.pop_first().unwrap().1;
    seen.cpu_days.insert(other, of_sleeper);
    let same = evaluate(&spec(IntensitySource::Static), &seen).1;
    assert_eq!(same.inputs_digest, plain.inputs_digest);
}

/// A job of twenty seconds was told to need a third of what it does.
#[test]
fn a_run_of_seconds_needs_what_it_used_in_them() {
    let mut runs = snapshot();
    let (uid, _) = names("j1", "CronJob", "etl");
    let began = THROUGH - 1_200;
    runs.cpu_minutes = (0..20)
        .map(|run| {
            let minute = began + run * 60;
            let cpu_us = 4_000_000;
            (Arc::clone(&uid), CpuMinute { minute, cpu_us })
        })
        .collect();
    let advised = |runs: &Snapshot| {
        let found = evaluate(&spec(IntensitySource::Static), runs).1;
        let etl = workload(&found, "etl").recommendations.clone();
        let advice = etl.into_iter().find(|one| one.action == "Rightsize");
        let change = advice.unwrap().change;
        let cpu = change.split("\"cpu\":\"").nth(1).unwrap();
        cpu.split('m').next().unwrap().parse::<u32>().unwrap()
    };
    // All day long: 4 s in each minute are 67m, and 15 % more with the bucket's width.
    runs.pods.get_mut(&uid).unwrap().started_at = Some(began);
    runs.pods.get_mut(&uid).unwrap().finished_at = None;
    let whole = advised(&runs);
    assert!((76..=84).contains(&whole), "{whole}");
    // Each minute another pod, there for twenty seconds of it: 200m.
    let minutes = std::mem::take(&mut runs.cpu_minutes);
    for (minute, run) in minutes.of(&uid).all().iter().zip(0..) {
        let (uid, mut names) = names(&format!("j1-{run}"), "CronJob", "etl");
        names.started_at = Some(minute.minute + 5);
        names.finished_at = Some(minute.minute + 25);
        runs.cpu_minutes.extend([(Arc::clone(&uid), *minute)]);
        runs.pods.insert(uid, names);
    }
    let short = advised(&runs);
    assert!((230..=245).contains(&short), "{short}");
}
