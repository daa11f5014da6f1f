//! A volume's spec, as a job's author may write it, on both systems.

#![no_main]

use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use volume_manager::{
    OperatingSystem, PlannedSource, Policy, PreparedVolumes, Provenance, Scope, SpecReader,
    VolumeDemand, plan,
};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let system = if first % 2 == 0 { OperatingSystem::Linux } else { OperatingSystem::Windows };
    let variables = [("A", "/a:b"), ("UP", "../.."), ("N", "name")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reader = SpecReader::new(system).with_variables(variables);
    let spec = match reader.read(text) {
        Ok(spec) => spec,
        Err(error) => {
            assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
            assert!(!error.to_string().contains('\n'));
            return;
        }
    };
    let destination = spec.destination.as_str();
    assert!(!destination.contains("/../") && !destination.chars().any(char::is_control));
    // Its canonical form is read as the same again, unless a variable was put in: a colon in a value
    // separates nothing, and in the canonical form nothing tells the two apart.
    let shown = spec.to_string();
    if !text.contains('$') {
        let again = SpecReader::new(system).read(&shown).expect("a canonical form is read");
        assert_eq!(again, spec, "{shown}");
    }
    let demand = VolumeDemand::new([spec]);
    let scope = Scope::untrusted("ci", "app");
    let provenance = Provenance::new("run", SystemTime::UNIX_EPOCH);
    if let Ok(plan) = plan(&demand, &scope, &provenance, &Policy::default()) {
        for volume in &plan.volumes {
            assert!(!matches!(
                volume.source,
                PlannedSource::Host(_) | PlannedSource::Pipe(_) | PlannedSource::Directory(_)
            ));
        }
        for mount in PreparedVolumes::unprepared(&plan).mounts() {
            mount.bind_string().expect("a mount of a plan can be expressed to an engine");
        }
    }
});
