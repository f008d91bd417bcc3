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

/// The reasons stood in the debug log only.
#[test]
fn why_there_is_no_advice_stands_in_the_status_and_not_in_the_pages() {
    let mut few = snapshot();
    few.cpu_minutes.truncate(6);
    // Without a finished run, nothing is known of the job.
    for pod in few.pods.values_mut() {
        pod.finished_at = None;
    }
    let (policy, found) = evaluate(&spec(IntensitySource::Static), &few);
    let reason = |name: &str| {
        let why = &workload(&found, name).no_advice;
        why.iter()
            .map(|why| (why.action.as_str(), why.reason.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(reason("api"), [("Rightsize", "TooFewSamples")]);
    assert_eq!(reason("etl"), [("ShiftInTime", "NoEnergy")]);
    let said = words::answer(&policy, &found);
    assert!(
        said.contains("No advice: Deployment api has none of kind Rightsize, since"),
        "{said}"
    );
    let flat = evaluate(&spec(IntensitySource::Static), &snapshot()).1;
    let etl = &workload(&flat, "etl").no_advice[0];
    assert_eq!(etl.action, "ShiftInTime");
    assert!(!etl.message.is_empty() && etl.message.len() <= 256);
    let owner = Owner {
        name: "p".into(),
        uid: "u".into(),
        reference: OwnerReference::default(),
    };
    let through = Timestamp::from_second(THROUGH).unwrap();
    let pages = apply::pages(&owner, &found, through, 41);
    let rows = pages.iter().flat_map(|page| &page.spec.workloads);
    assert!(rows.clone().count() > 0 && rows.clone().all(|row| row.no_advice.is_empty()));
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
