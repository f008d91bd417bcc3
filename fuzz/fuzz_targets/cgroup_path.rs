//! Any text as the path of a control group: an identity, never a panic, and
//! none that the path does not carry.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tanso_agent::charges::Identity;
use tanso_agent::workloads::parse;

fuzz_target!(|path: &str| {
    let found = parse(path);
    if let Some(id) = &found.container_id {
        assert!(path.contains(id.as_str()), "an id from nowhere");
    }
    if let Some(uid) = &found.pod_uid {
        let hyphens = path.replace('_', "-");
        assert!(hyphens.contains(uid.as_str()), "a uid from nowhere");
    }
    let identity = Identity::of(path);
    if let Some(own) = &identity.path {
        assert!(path.starts_with(own.as_str()), "a group beside the path");
    }
});
