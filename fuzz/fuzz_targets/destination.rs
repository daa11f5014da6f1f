//! A path in a container, and one of the host: one canonical form, which nothing climbs out of.

#![no_main]

use libfuzzer_sys::fuzz_target;
use volume_manager::{ContainerPath, HostPath, OperatingSystem};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let system = if first % 2 == 0 { OperatingSystem::Linux } else { OperatingSystem::Windows };
    if let Ok(path) = ContainerPath::new(system, text) {
        let shown = path.as_str();
        assert!(path.depth() > 0, "{shown}");
        // On Linux a backslash is a letter like any other.
        let separator = if system == OperatingSystem::Linux { '/' } else { '\\' };
        assert!(!shown.split(separator).any(|part| part == ".." || part == "."), "{shown}");
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        let again = ContainerPath::new(system, shown).expect("a canonical form is a path");
        assert_eq!(again, path, "the canonical form is its own");
        if system == OperatingSystem::Linux {
            assert!(shown.starts_with('/') && !shown.contains("//") && !shown.ends_with('/'));
        }
        let _ = path.is_reserved();
    }
    if let Ok(path) = HostPath::new(system, text) {
        let again = HostPath::new(system, path.as_str()).expect("a canonical form is a path");
        assert_eq!(again, path);
        assert!(path.contains(&path));
    }
});
