//! A configuration file: read, or refused with a place; never a panic, and no file but those it names.

#![no_main]

use std::{io, path::Path};

use executor::config::{RunnerSelection, read_config};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read_file = |_: &Path| -> io::Result<String> { Ok("{}".to_owned()) };
    match read_config(text, &RunnerSelection::new("ci"), &read_file) {
        Ok(runner) => {
            // Who has not said so, has not allowed it. Names of keys may be in any case.
            let text = text.to_ascii_lowercase();
            let policy = &runner.config.policy;
            assert!(!policy.allow_engine_socket || text.contains("allow_engine_socket"));
            assert!(!policy.allow_host_paths || text.contains("allow_host_paths"));
            assert!(!runner.config.containers.host.privileged || text.contains("privileged"));
        }
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            assert!(!error.hint().is_empty());
        }
    }
});
