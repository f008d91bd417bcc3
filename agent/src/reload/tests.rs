use std::fs;

use tanso_agent_wire::families::Level;
use tanso_runtime::logs::{self, Format};

use super::*;
use crate::serve::Anonymous;

fn words(file: &Path) -> Vec<String> {
    let file = file.to_str().unwrap();
    ["tanso-agent", "--config", file]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn new_settings_hold_at_once_and_refused_ones_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("agent.yaml");
    fs::write(&file, "interval: 2s\nmeters: [fake]\n").unwrap();
    let first = Settings::from_words(words(&file)).unwrap();
    let policy = Arc::new(ArcSwap::from_pointee(first.exports.policy.clone()));
    let logs = logs::init_changeable(Format::Text, "info").unwrap();
    let live = Live::new(&first, Arc::clone(&policy), logs);
    let interval = live.interval();

    let text = "interval: 500ms\nlogLevel: debug\nexports: {metricsLevel: [pod], anonymous: refuse}\nmeters: [fake]\n";
    fs::write(&file, text).unwrap();
    let second = reread(&live, &first, words(&file)).unwrap();
    assert_eq!(interval.get(), Duration::from_millis(500));
    assert!(policy.load().options.levels.has(Level::Pod));
    assert!(!policy.load().options.levels.has(Level::Node));
    assert_eq!(policy.load().anonymous, Anonymous::Refuse);

    for broken in ["interval: 1h\n", "intervall: 1s\n", ": :\n"] {
        fs::write(&file, broken).unwrap();
        assert!(reread(&live, &second, words(&file)).is_err(), "{broken}");
        assert_eq!(interval.get(), Duration::from_millis(500));
    }
    // What needs another process is named.
    fs::write(&file, "meters: [model]\nlisten: 127.0.0.1:1\n").unwrap();
    let third = Settings::from_words(words(&file)).unwrap();
    assert_eq!(fixed(&second, &third), ["listen", "meters"]);
}
