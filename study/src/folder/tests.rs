use tanso_carbon::study::report;
use tanso_carbon::study::trial::Phase;

use super::*;

fn plan(seed: u64, stopping: &str) -> Plan {
    let text = format!(
        "{{title: T, primaryResponse: node_joules, orderSeed: {seed}, arms: [{{name: snow}}, {{name: flux}}], \
         stopping: {stopping}}}"
    );
    Plan::parse("plan.yaml", &text).unwrap()
}

fn columns() -> BTreeMap<String, Unit> {
    [("node_joules".to_owned(), Unit::Joules)].into()
}

/// A trial whose figures follow from its place alone.
fn rows(slot: &Slot) -> Vec<Trial> {
    let joules = 100.0 + f64::from(slot.order * slot.order % 17);
    let row = |phase| Trial {
        order: slot.order,
        block: slot.block,
        arm: slot.arm.clone(),
        phase,
        values: [("node_joules".to_owned(), joules)].into(),
        ..Trial::default()
    };
    vec![row(Phase::WarmUp), row(Phase::Measured)]
}

fn run(folder: &mut Folder, count: usize) {
    for _ in 0..count {
        let Some(slot) = folder.next() else { break };
        folder.append(&rows(&slot)).unwrap();
    }
}

#[test]
fn a_study_that_was_killed_in_a_line_reports_what_an_uninterrupted_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["whole", "killed"].map(|name| dir.path().join(name));
    let plan = plan(7, "{blocks: 6}");
    let mut whole = Folder::begin(&paths[0], &plan, columns(), &[]).unwrap();
    run(&mut whole, usize::MAX);

    let mut killed = Folder::begin(&paths[1], &plan, columns(), &[]).unwrap();
    run(&mut killed, 7);
    drop(killed);
    let mut file = File::options()
        .append(true)
        .open(paths[1].join(TRIALS))
        .unwrap();
    let torn = rows(&plan.slots(6)[7]);
    file.write_all(csv_line(&torn[0], &columns()).as_bytes())
        .unwrap();
    file.write_all(b"8,4,flu").unwrap();
    let mut resumed = Folder::resume(&paths[1], columns()).unwrap();
    assert_eq!(resumed.trials().measured().count(), 7);
    run(&mut resumed, usize::MAX);

    let files = paths.map(|path| fs::read_to_string(path.join(TRIALS)).unwrap());
    assert_eq!(files[0], files[1]);
    let report = |folder: &Folder| report(folder.plan(), folder.trials()).unwrap();
    assert_eq!(report(&whole), report(&resumed));
}

#[test]
fn a_folder_is_begun_once_and_run_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(7, "{blocks: 2}");
    let beside = [("design.json", "{}")];
    let folder = Folder::begin(dir.path(), &plan, columns(), &beside).unwrap();
    assert_eq!(
        fs::read_to_string(dir.path().join("design.json")).unwrap(),
        "{}"
    );
    let told = |result: Result<Folder, FolderFault>| result.unwrap_err().to_string();
    assert!(told(Folder::begin(dir.path(), &plan, columns(), &[])).contains("--resume"));
    assert!(told(Folder::resume(dir.path(), columns())).contains("by another process"));
    drop(folder);
    assert!(Folder::resume(dir.path(), columns()).is_ok());
    assert!(Folder::resume(&dir.path().join("nowhere"), columns()).is_err());
}

/// How often this process has a file open.
#[cfg(target_os = "linux")]
fn open_files(path: &Path) -> usize {
    let path = fs::canonicalize(path).unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let is_it = |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|to| to == path);
    open.filter_map(Result::ok).filter(is_it).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_trial_that_was_kept_while_the_lock_was_waited_for_is_not_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::begin(dir.path(), &plan(7, "{blocks: 2}"), columns(), &[]).unwrap();
    let resumed = thread::scope(|scope| {
        let waiting = scope.spawn(|| Folder::resume(dir.path(), columns()));
        while open_files(&dir.path().join(LOCK)) < 2 {
            thread::yield_now();
        }
        // The other one has looked at what is there, if it looks before it has the lock.
        run(&mut folder, 1);
        drop(folder);
        waiting.join().unwrap()
    });
    assert_eq!(resumed.unwrap().trials().measured().count(), 1);
}

#[test]
fn figures_of_another_plan_and_other_columns_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = Folder::begin(dir.path(), &plan(7, "{blocks: 3}"), columns(), &[]).unwrap();
    run(&mut folder, 3);
    drop(folder);
    let told = |result: Result<Folder, FolderFault>| result.unwrap_err().to_string();
    let more = columns()
        .into_iter()
        .chain([("x_bytes".to_owned(), Unit::Bytes)]);
    assert!(told(Folder::resume(dir.path(), more.collect())).contains("other columns"));
    let other = (8..).map(|seed| plan(seed, "{blocks: 3}"));
    let mut other = other.filter(|other| other.slots(3) != plan(7, "{blocks: 3}").slots(3));
    let text = serde_json::to_string(&other.next().unwrap()).unwrap();
    fs::write(dir.path().join(PLAN), text).unwrap();
    assert!(told(Folder::resume(dir.path(), columns())).contains("is not of its plan"));
}

#[test]
fn the_rule_is_asked_between_blocks_and_ends_a_study() {
    let dir = tempfile::tempdir().unwrap();
    let rule = "{halfWidth: {relative: 1000, blocksMin: 3, blocksMax: 50}}";
    let mut folder = Folder::begin(dir.path(), &plan(7, rule), columns(), &[]).unwrap();
    assert_eq!(folder.planned().len(), 100);
    run(&mut folder, 5);
    assert!(folder.next().is_some(), "half a block is no answer");
    run(&mut folder, usize::MAX);
    assert_eq!(folder.trials().measured().count(), 6);
    let (plan, trials) = look(dir.path()).unwrap();
    assert_eq!(
        (plan.title.as_str(), trials),
        ("T", folder.trials().clone())
    );
}
