//! The folder of hwmon chips: which sensors there are, by the kernel's naming
//! (Documentation/hwmon/sysfs-interface.rst). What they mean is not known
//! here.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::guard::{Refusal, number};
use super::super::sensor::{NoFigure, SensorReport};
use super::super::{BusAddress, MeterState, ZoneClass};

/// The place as it is shown, whatever root it is read under.
const SHOWN: &str = "/sys/class/hwmon";

/// A chip.
#[derive(Clone, Debug)]
pub(in crate::meters) struct Chip {
    /// Its driver's name for it.
    pub(in crate::meters) name: String,
    /// `hwmon3`.
    pub(in crate::meters) entry: String,
    /// Where its attributes are.
    pub(in crate::meters) directory: PathBuf,
    /// Its device.
    pub(in crate::meters) device: PathBuf,
    /// Where its device is, of one that is on a bus.
    pub(in crate::meters) bus: Option<BusAddress>,
}

/// What is read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::meters) enum Quantity {
    /// Microjoules.
    Energy(PathBuf),
    /// Microwatts.
    Power(PathBuf),
    /// Millivolts and milliamperes.
    Product(PathBuf, PathBuf),
}

impl Quantity {
    /// The best first.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Energy(_) => 0,
            Self::Power(_) => 1,
            Self::Product(..) => 2,
        }
    }
}

/// A sensor of a chip.
#[derive(Clone, Debug)]
pub(in crate::meters) struct Attribute {
    /// What the chip calls it; else its file's beginning, `power1`.
    pub(in crate::meters) label: String,
    /// Its place, for people.
    pub(in crate::meters) shown: String,
    pub(in crate::meters) quantity: Quantity,
}

impl Attribute {
    pub(in crate::meters) fn unused(
        &self,
        chip: &str,
        class: Option<ZoneClass>,
        reason: impl Into<String>,
    ) -> SensorReport {
        let label = format!("{chip}: {}", self.label);
        SensorReport::unused(label, self.shown.clone(), class, reason)
    }
}

/// All chips in the order of their numbers.
///
/// # Errors
/// The state of a meter that cannot look at the folder.
pub(in crate::meters) fn chips(root: &Path) -> Result<Vec<Chip>, MeterState> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            return Err(MeterState::Absent(format!("no \"{}\"", root.display())));
        }
        Err(fault) => {
            let reason = format!("reading \"{}\": {fault}", root.display());
            return Err(MeterState::Failed(reason));
        }
    };
    let mut chips = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let own = entry.path();
        let device = own.join("device");
        // Old drivers put name and attributes into the device's folder.
        let places = [own.clone(), device.clone()];
        let found = places
            .iter()
            .find_map(|place| fs::read_to_string(place.join("name")).ok());
        let Some(chip) = found else { continue };
        let directory = if has_sensors(&own) {
            own
        } else {
            device.clone()
        };
        chips.push(Chip {
            name: chip.trim().to_owned(),
            entry: name,
            directory,
            bus: bus(&device),
            device,
        });
    }
    chips.sort_by(|a, b| (a.entry.len(), &a.entry).cmp(&(b.entry.len(), &b.entry)));
    Ok(chips)
}

/// Where a device is, as the kernel tells programs of its events.
fn bus(device: &Path) -> Option<BusAddress> {
    let text = fs::read_to_string(device.join("uevent")).ok()?;
    let mut places = text
        .lines()
        .filter_map(|line| line.strip_prefix("PCI_SLOT_NAME="));
    places.find_map(BusAddress::try_new)
}

fn has_sensors(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| sensor(&name).is_some())
}

/// `power1_input` as `("power", 1, "input")`.
fn sensor(name: &str) -> Option<(&str, u32, &str)> {
    let (head, item) = name.split_once('_')?;
    let digits = head.find(|c: char| c.is_ascii_digit())?;
    let (kind, number) = head.split_at(digits);
    let known = matches!(kind, "power" | "energy" | "in" | "curr");
    let shows = matches!(item, "input" | "average");
    (known && shows).then_some((kind, number.parse().ok()?, item))
}

impl Chip {
    /// Its sensors of energy and power, and voltages with the current of the
    /// same rail.
    pub(in crate::meters) fn attributes(&self) -> Vec<Attribute> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten();
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        // By kind and number: "average" before "input" in the order of text.
        let mut found: BTreeMap<(String, u32), String> = BTreeMap::new();
        for name in names {
            if let Some((kind, number, _)) = sensor(&name) {
                let kept = found
                    .entry((kind.to_owned(), number))
                    .or_insert_with(|| name.clone());
                if name < *kept {
                    *kept = name;
                }
            }
        }
        let mut attributes = Vec::new();
        for ((kind, number), name) in &found {
            let path = self.directory.join(name);
            let mut label = self.label(kind, *number);
            let (quantity, shown) = match kind.as_str() {
                "energy" => (Quantity::Energy(path), name.clone()),
                "power" => (Quantity::Power(path), name.clone()),
                "curr" => match self.voltage(*number, &found) {
                    Some(voltage) => {
                        let shown = format!("{voltage}*{name}");
                        // ina3221 labels its voltages only.
                        label = label.or_else(|| self.label("in", *number));
                        let volts = self.directory.join(voltage);
                        (Quantity::Product(volts, path), shown)
                    }
                    None => continue,
                },
                _ => continue,
            };
            attributes.push(Attribute {
                label: label.unwrap_or_else(|| format!("{kind}{number}")),
                shown: format!("{SHOWN}/{}/{shown}", self.entry),
                quantity,
            });
        }
        attributes
    }

    fn label(&self, kind: &str, number: u32) -> Option<String> {
        let file = self.directory.join(format!("{kind}{number}_label"));
        let text = fs::read_to_string(file).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The file of the voltage that drives a current: that with its label, or
    /// of chips without labels that with its number.
    fn voltage<'a>(
        &self,
        current: u32,
        found: &'a BTreeMap<(String, u32), String>,
    ) -> Option<&'a String> {
        let wanted = self.label("curr", current);
        let mut voltages = found.iter().filter(|((kind, _), _)| kind == "in");
        let same = voltages.find(|&(&(_, number), _)| match &wanted {
            Some(wanted) => self.label("in", number).as_ref() == Some(wanted),
            None => number == current && self.label("in", number).is_none(),
        });
        let by_number = || match wanted {
            None => found.get(&("in".to_owned(), current)),
            Some(_) => None,
        };
        same.map(|(_, name)| name).or_else(by_number)
    }
}

/// A file's whole number.
pub(in crate::meters) fn raw(path: &Path, label: &str) -> Result<u64, NoFigure> {
    let text = fs::read_to_string(path).map_err(|fault| NoFigure {
        refusal: Refusal::Unreadable,
        reason: format!(
            "reading power sensor \"{label}\": {fault}{}",
            if fault.kind() == io::ErrorKind::PermissionDenied {
                "; run as root or grant read on it"
            } else {
                ""
            }
        ),
    })?;
    number(&text).map_err(|refusal| {
        let shown: String = text.trim().chars().take(32).collect();
        NoFigure {
            refusal,
            reason: format!(
                "power sensor \"{label}\" shows \"{shown}\": {}",
                refusal.explain()
            ),
        }
    })
}
