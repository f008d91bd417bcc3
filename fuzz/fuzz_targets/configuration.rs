//! Any text as a settings file, ours or Kepler's: settings or a refusal.
#![no_main]

use std::fs;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use tanso_agent::settings::Settings;

fuzz_target!(|text: &str| {
    thread_local! {
        static PLACE: (tempfile::TempDir, PathBuf) = {
            let directory = tanso_fuzz::scratch();
            let file = directory.path().join("agent.yaml");
            (directory, file)
        };
    }
    PLACE.with(|(_, file)| {
        if fs::write(file, text).is_err() {
            return;
        }
        let words = ["tanso-agent", "--config", &file.to_string_lossy()].map(str::to_owned);
        if let Err(fault) = Settings::from_words(words) {
            assert!(!fault.to_string().is_empty());
        }
        // The same text as a command line of Kepler's.
        let flags = text.split_whitespace().map(str::to_owned);
        let _ = tanso_agent::kepler_config::take(flags);
    });
});
