//! A study's folder: design, plan, and raw figures that are appended to, a
//! trial at a time, each on the disk before the next begins. What a kill
//! leaves is read again by the library; nothing is decided here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tanso_carbon::study::checkpoint;
use tanso_carbon::study::order::Slot;
use tanso_carbon::study::trial::{Trial, csv_header, csv_line};
use tanso_carbon::study::{Plan, Trials};

use super::design::Design;
use super::trial::responses;

const DESIGN: &str = "design.json";
const PLAN: &str = "plan.json";
const TRIALS: &str = "trials.csv";

/// A study's folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    design: Design,
    plan: Plan,
    trials: Trials,
}

impl Folder {
    /// A folder for a new study.
    pub(super) fn begin(
        path: &Path,
        design: &Design,
        environment: BTreeMap<String, String>,
    ) -> Result<Self> {
        if path.join(TRIALS).exists() {
            bail!(
                "\"{}\" has trials already: go on with --resume, or name another folder by --out",
                path.display()
            );
        }
        fs::create_dir_all(path).with_context(|| format!("creating \"{}\"", path.display()))?;
        let plan = design.plan(environment);
        let json = |value: Result<String, serde_json::Error>| value.context("writing JSON");
        put(
            &path.join(DESIGN),
            &json(serde_json::to_string_pretty(design))?,
        )?;
        put(
            &path.join(PLAN),
            &json(serde_json::to_string_pretty(&plan))?,
        )?;
        // Last: from here on there is a study to go on with.
        put(&path.join(TRIALS), &csv_header(&responses()))?;
        Self::open(path)
    }

    /// The folder of a study that was begun, cut back to what is whole.
    pub(super) fn resume(path: &Path, design: &Design) -> Result<Self> {
        let text = read(&path.join(TRIALS))?;
        let this = Self::open(path)?;
        if this.design != *design {
            bail!(
                "\"{}\" was begun with another design: give the same flags, or another folder by --out",
                path.display()
            );
        }
        let name = path.join(TRIALS);
        let kept = checkpoint::read(&name.display().to_string(), &text)?;
        if let Some(stranger) = kept.stranger(&design.slots()) {
            bail!("\"{}\": {stranger} is not of this design", name.display());
        }
        let file = File::options()
            .write(true)
            .open(&name)
            .with_context(|| format!("opening \"{}\"", name.display()))?;
        file.set_len(kept.keep_bytes as u64)
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cutting \"{}\" back to whole trials", name.display()))?;
        if kept.keep_bytes == 0 {
            put(&name, &csv_header(&responses()))?;
        }
        Ok(this)
    }

    /// A folder as it is, for its report.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let design = serde_json::from_str(&read(&path.join(DESIGN))?)
            .with_context(|| format!("reading \"{}\"", path.join(DESIGN).display()))?;
        let plan = Plan::parse(PLAN, &read(&path.join(PLAN))?)?;
        let kept = checkpoint::read(TRIALS, &read(&path.join(TRIALS))?)?;
        Ok(Self {
            path: path.to_owned(),
            design,
            plan,
            trials: kept.trials,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) const fn trials(&self) -> &Trials {
        &self.trials
    }

    /// The trials that are still to be run.
    pub(super) fn rest(&self) -> Result<Vec<Slot>> {
        let kept = checkpoint::read(TRIALS, &read(&self.path.join(TRIALS))?)?;
        Ok(kept.rest(&self.design.slots()))
    }

    /// Appends a trial, its measured phase last, and puts it on the disk.
    pub(super) fn append(&mut self, rows: Vec<Trial>) -> Result<()> {
        let lines: String = rows.iter().map(|row| csv_line(row, &responses())).collect();
        let name = self.path.join(TRIALS);
        let mut file = File::options()
            .append(true)
            .open(&name)
            .with_context(|| format!("opening \"{}\"", name.display()))?;
        file.write_all(lines.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("writing \"{}\"", name.display()))?;
        let known = self.trials.rows().iter().cloned();
        self.trials = Trials::new(known.chain(rows).collect());
        Ok(())
    }

    /// Writes a file of the report.
    pub(super) fn put(&self, name: &str, text: &str) -> Result<()> {
        put(&self.path.join(name), text)
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| {
        format!(
            "reading \"{}\"; a study is begun without --resume",
            path.display()
        )
    })
}

/// Writes a file whole: another name first, then the disk, then the name.
fn put(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().with_context(|| format!("writing \"{}\"", path.display()))
}

#[cfg(test)]
mod tests {
    use tanso_carbon::study::trial::Phase;

    use super::super::design::Choice;
    use super::*;

    fn design(seed: u64) -> Design {
        let choice = Choice {
            quick: true,
            blocks: Some(4),
            measured_seconds: None,
            kustomizations: 5,
            changes: None,
            arms: &[],
            seed,
        };
        Design::choose(&choice).unwrap()
    }

    /// A trial whose figures follow from its place alone.
    fn rows(slot: &Slot) -> Vec<Trial> {
        let value = f64::from(slot.order * slot.order % 17);
        let row = |phase| Trial {
            order: slot.order,
            block: slot.block,
            arm: slot.arm.clone(),
            phase,
            values: [("cluster_joules".to_owned(), value)].into(),
            ..Trial::default()
        };
        vec![row(Phase::WarmUp), row(Phase::Measured)]
    }

    fn run(folder: &mut Folder, count: usize) {
        for slot in folder.rest().unwrap().iter().take(count) {
            folder.append(rows(slot)).unwrap();
        }
    }

    #[test]
    fn a_study_that_was_killed_in_a_line_reports_what_an_uninterrupted_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["whole", "killed"].map(|name| dir.path().join(name));
        let design = design(7);
        let mut whole = Folder::begin(&paths[0], &design, BTreeMap::new()).unwrap();
        run(&mut whole, usize::MAX);

        let mut killed = Folder::begin(&paths[1], &design, BTreeMap::new()).unwrap();
        run(&mut killed, 11);
        drop(killed);
        let torn = csv_line(&rows(&design.slots()[11])[0], &responses());
        let mut file = File::options()
            .append(true)
            .open(paths[1].join(TRIALS))
            .unwrap();
        file.write_all(torn.as_bytes()).unwrap();
        file.write_all(b"12,2,sno").unwrap();
        let mut resumed = Folder::resume(&paths[1], &design).unwrap();
        assert_eq!(resumed.trials().measured().count(), 11);
        run(&mut resumed, usize::MAX);

        let files = paths.map(|path| fs::read_to_string(path.join(TRIALS)).unwrap());
        assert_eq!(files[0], files[1]);
        let report =
            |folder: &Folder| tanso_carbon::study::report(folder.plan(), folder.trials()).unwrap();
        assert_eq!(report(&whole), report(&resumed));
    }

    #[test]
    fn a_folder_is_not_begun_twice_and_not_resumed_with_another_design() {
        let dir = tempfile::tempdir().unwrap();
        Folder::begin(dir.path(), &design(7), BTreeMap::new()).unwrap();
        let again = Folder::begin(dir.path(), &design(7), BTreeMap::new());
        assert!(again.unwrap_err().to_string().contains("--resume"));
        let other = Folder::resume(dir.path(), &design(8));
        assert!(other.unwrap_err().to_string().contains("another design"));
        let nowhere = Folder::resume(&dir.path().join("x"), &design(7));
        assert!(nowhere.is_err());
    }
}
