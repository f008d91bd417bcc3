//! Settings: one struct per binary, read once at start.
//!
//! Order of precedence: flag, environment, file, default. Flags and
//! environment are clap's; this room reads files and joins the layers.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFault {
    /// The file cannot be read.
    #[error("reading settings \"{}\": {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has a syntax error, an unknown key or a value out of range.
    #[error("settings \"{}\": {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// Reads a YAML (or JSON) settings file. `T` must be
/// `#[serde(deny_unknown_fields)]`, so that a misspelt key is refused.
///
/// # Errors
/// If the file cannot be read or is no `T`.
pub fn read_file<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsFault> {
    let text = fs::read_to_string(path).map_err(|source| SettingsFault::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_saphyr::from_str(&text).map_err(|fault| SettingsFault::Content {
        path: path.to_owned(),
        reason: fault.to_string(),
    })
}

/// As [`read_file`], or the type's default if there is no file to read.
///
/// # Errors
/// As [`read_file`].
pub fn read_optional<T: DeserializeOwned + Default>(
    path: Option<&Path>,
) -> Result<T, SettingsFault> {
    path.map_or_else(|| Ok(T::default()), read_file)
}

/// Joins the layers of one setting: the flag (or its environment variable),
/// else the file, else the default.
pub fn layered<T>(flag: Option<T>, file: Option<T>, default: impl FnOnce() -> T) -> T {
    flag.or(file).unwrap_or_else(default)
}

/// A length of time as people write it: `500ms`, `1s`, `15m`, `48h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(pub Duration);

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "duration \"{0}\": accepted is a whole number with a unit ms, s, m, h or d, for instance \"15m\""
)]
pub struct PeriodFault(String);

impl FromStr for Period {
    type Err = PeriodFault;
    fn from_str(text: &str) -> Result<Self, PeriodFault> {
        let fault = || PeriodFault(text.chars().take(64).collect());
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let (digits, unit) = text.split_at(split);
        let number: u64 = digits.parse().map_err(|_| fault())?;
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(fault()),
        };
        number
            .checked_mul(unit_ms)
            .map(Duration::from_millis)
            .map(Self)
            .ok_or_else(fault)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period_ms = self.0.as_millis();
        for (unit, unit_ms) in [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
        ] {
            if period_ms > 0 && period_ms.is_multiple_of(unit_ms) {
                return write!(f, "{}{unit}", period_ms / unit_ms);
            }
        }
        write!(f, "{period_ms}ms")
    }
}

impl TryFrom<String> for Period {
    type Error = PeriodFault;
    fn try_from(text: String) -> Result<Self, PeriodFault> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code, reason = "only the reading of it is tested")]
        interval: Option<Period>,
    }

    #[test]
    fn a_period_survives_its_own_text() {
        for text in ["500ms", "1s", "90s", "15m", "48h", "7d", "0ms"] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string().parse::<Period>(), Ok(period), "{text}");
        }
        for text in [
            "",
            "s",
            "1",
            "1 s",
            "-1s",
            "1.5s",
            "1w",
            "99999999999999999d",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_misspelt_key_is_refused_with_file_and_key() {
        let file = std::env::temp_dir().join(format!("settings-{}.yaml", std::process::id()));
        fs::write(&file, "intervall: 1s\n").unwrap();
        let fault = read_file::<Sample>(&file).unwrap_err().to_string();
        fs::remove_file(&file).unwrap();
        assert!(
            fault.contains("intervall") && fault.contains("settings-"),
            "{fault}"
        );
    }

    #[test]
    fn a_flag_beats_the_file_beats_the_default() {
        assert_eq!(layered(Some(1), Some(2), || 3), 1);
        assert_eq!(layered(None, Some(2), || 3), 2);
        assert_eq!(layered(None, None, || 3), 3);
    }
}
