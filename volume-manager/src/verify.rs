//! Whether the volume that the engine returned is the one that was asked for.
//!
//! Creating a volume is idempotent by name only: when the name is taken, the engine returns
//! whatever has it. A stranger could have made it first, with options that mount a folder of the
//! host, so everything is compared before anything is mounted.

use std::collections::BTreeMap;

use docker_api_trait::{Capabilities, Volume};

use crate::{
    error::{VolumeError, VolumeField},
    identity::VolumeDriver,
    label,
    plan::ManagedVolume,
    prepared::{PreparedVolume, VolumeState},
};

/// The labels that say what a volume is; the others say which run made it.
const IDENTITY: [&str; 8] = [
    label::SCHEMA,
    label::KIND,
    label::OWNER,
    label::PROJECT,
    label::TRUST,
    label::DESTINATION,
    label::KEY,
    label::CONFIG_HASH,
];

/// Compares what was asked for with what is there, and tells whether this run made it.
///
/// # Errors
/// [`VolumeError::Mismatch`] with the first property that differs.
pub(crate) fn verify(wanted: &ManagedVolume, found: &Volume) -> Result<VolumeState, VolumeError> {
    let differs = properties(wanted, found).or_else(|| identity(wanted, found));
    if let Some(mismatch) = differs {
        return Err(mismatch);
    }
    let made_by_this_run = [label::RUN, label::INSTANCE]
        .iter()
        .all(|key| wanted.labels.get(*key) == found.labels.get(*key));
    Ok(if made_by_this_run { VolumeState::Created } else { VolumeState::Reused })
}

/// What is not as it was asked for.
fn mismatch(
    wanted: &ManagedVolume,
    field: VolumeField,
    expected: &str,
    found: &str,
) -> Option<VolumeError> {
    (expected != found).then(|| VolumeError::Mismatch {
        volume: wanted.name.clone(),
        field,
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

/// The first property in which they differ, but for labels.
fn properties(wanted: &ManagedVolume, found: &Volume) -> Option<VolumeError> {
    // A plugin's name comes back with its tag.
    let driver = found.driver.strip_suffix(":latest").unwrap_or(&found.driver);
    let wanted_driver = &wanted.driver.name;
    let wanted_driver = wanted_driver.strip_suffix(":latest").unwrap_or(wanted_driver);
    let scope = if wanted_driver == VolumeDriver::LOCAL { "local" } else { &found.scope };
    mismatch(wanted, VolumeField::Name, wanted.name.as_str(), &found.name)
        .or_else(|| mismatch(wanted, VolumeField::Driver, wanted_driver, driver))
        .or_else(|| {
            (wanted.driver.options != found.options).then(|| VolumeError::Mismatch {
                volume: wanted.name.clone(),
                field: VolumeField::Options,
                expected: option_words(&wanted.driver.options),
                found: option_words(&found.options),
            })
        })
        .or_else(|| mismatch(wanted, VolumeField::Scope, scope, &found.scope))
}

/// The first label of the identity in which they differ.
fn identity(wanted: &ManagedVolume, found: &Volume) -> Option<VolumeError> {
    let label =
        |volume: &BTreeMap<String, String>, key: &str| volume.get(key).cloned().unwrap_or_default();
    IDENTITY.iter().find_map(|key| {
        let (expected, found) = (label(&wanted.labels, key), label(&found.labels, key));
        mismatch(wanted, VolumeField::Label(key), &expected, &found)
    })
}

/// Compares what was found when the volume was prepared with what a container holds now. Only what was
/// reused and was not held before is compared.
///
/// # Errors
/// [`VolumeError::Mismatch`] with the first property that differs; [`VolumeError::Vanished`].
pub(crate) fn confirm(
    before: &PreparedVolume,
    wanted: &ManagedVolume,
    found: Option<&Volume>,
    capabilities: Capabilities,
) -> Result<PreparedVolume, VolumeError> {
    let Some(found) = found else {
        return Err(VolumeError::Vanished { volume: wanted.name.clone() });
    };
    let held = PreparedVolume { made_by: None, ..before.clone().held() };
    if !capabilities.labels_mounted_volumes && found.labels.is_empty() && !wanted.labels.is_empty()
    {
        let differs = properties(wanted, found);
        return differs.map_or_else(|| Ok(held.with_state(VolumeState::Recreated)), Err);
    }
    verify(wanted, found)?;
    let now = maker(found);
    let is_same = now == before.made_by.as_deref();
    let held = if is_same { held } else { held.with_state(VolumeState::Recreated) };
    Ok(now.into_iter().fold(held, PreparedVolume::with_maker))
}

/// The volume to inspect before [`confirm`]; `None` when there is nothing to compare.
pub(crate) fn to_confirm(volume: &PreparedVolume) -> Option<&ManagedVolume> {
    let is_doubtful = volume.state == Some(VolumeState::Reused) && !volume.is_held;
    volume.managed().filter(|_| is_doubtful)
}

/// The run that made a volume, by its labels.
pub(crate) fn maker(volume: &Volume) -> Option<&str> {
    volume.labels.get(label::RUN).map(String::as_str)
}

/// A volume that was found or created, with its state and its maker.
///
/// # Errors
/// [`VolumeError::Mismatch`] with the first property that differs.
pub(crate) fn prepared(
    volume: PreparedVolume,
    found: &Volume,
) -> Result<PreparedVolume, VolumeError> {
    let Some(wanted) = volume.managed() else { return Ok(volume) };
    let state = verify(wanted, found)?;
    Ok(maker(found).into_iter().fold(volume.with_state(state), PreparedVolume::with_maker))
}

/// Options as words. Their values stay hidden, as there may be a password among them, but for the
/// two that say what is mounted.
fn option_words(options: &BTreeMap<String, String>) -> String {
    let word = |(key, value): (&String, &String)| match key.as_str() {
        "type" | "device" => format!("{key}={value}"),
        _ => format!("{key}=…"),
    };
    options.iter().map(word).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Policy, PreparedVolumes, Provenance, Scope, VolumeDemand, plan};

    fn wanted(run: &str) -> ManagedVolume {
        let origin = Provenance::new(run, SystemTime::UNIX_EPOCH);
        let demand = VolumeDemand::new(["/cache".parse().unwrap()]);
        let plan =
            plan(&demand, &Scope::trusted("ci", "app"), &origin, &Policy::default()).unwrap();
        PreparedVolumes::unprepared(&plan).volumes[0].managed().unwrap().clone()
    }

    fn made(by: &ManagedVolume) -> Volume {
        let mut volume = Volume::local(by.name.as_str());
        volume.labels = by.labels.clone();
        volume
    }

    #[test]
    fn the_run_in_the_labels_tells_created_from_reused() {
        let state = |run, maker| verify(&wanted(run), &made(&wanted(maker))).unwrap();
        assert_eq!(state("1", "1"), VolumeState::Created);
        assert_eq!(state("2", "1"), VolumeState::Reused);
    }

    #[test]
    fn a_driver_of_its_own_is_compared_with_its_options() {
        let mut wanted = wanted("1");
        wanted.driver = VolumeDriver::new("nfs").with_option("password", "s3cret");
        let mut volume = made(&wanted);
        volume.driver = "nfs:latest".to_owned();
        volume.scope = "global".to_owned();
        volume.options.clone_from(&wanted.driver.options);
        assert!(verify(&wanted, &volume).is_ok(), "a plugin's tag and scope are its own");
        volume.options.insert("device".to_owned(), "/etc".to_owned());
        let error = verify(&wanted, &volume).unwrap_err();
        let VolumeError::Mismatch { field, expected, found, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*field, VolumeField::Options);
        assert_eq!((expected.as_str(), found.as_str()), ("password=…", "device=/etc,password=…"));
        volume.options.clear();
        assert!(!verify(&wanted, &volume).unwrap_err().to_string().contains("s3cret"));
    }

    #[test]
    fn a_cache_of_another_maker_than_before_vanished_meanwhile() {
        let origin = Provenance::new("2", SystemTime::UNIX_EPOCH);
        let demand = VolumeDemand::new(["/cache".parse().unwrap()]);
        let plan =
            plan(&demand, &Scope::trusted("ci", "app"), &origin, &Policy::default()).unwrap();
        let asked = self::wanted;
        let unprepared = PreparedVolumes::unprepared(&plan).volumes.remove(0);
        let before = prepared(unprepared, &made(&asked("1"))).unwrap();
        let wanted = to_confirm(&before).unwrap();
        assert_eq!(
            (before.state, before.made_by.as_deref()),
            (Some(VolumeState::Reused), Some("1"))
        );
        let (docker, podman) = (Capabilities::DOCKER, Capabilities::PODMAN);
        let now = |found: &Volume, engine| confirm(&before, wanted, Some(found), engine);
        for (maker, state) in [
            ("1", VolumeState::Reused),
            ("2", VolumeState::Recreated),
            ("3", VolumeState::Recreated),
        ] {
            let found = made(&asked(maker));
            for engine in [docker, podman] {
                let now = now(&found, engine).unwrap();
                assert_eq!((now.state, now.made_by.as_deref()), (Some(state), Some(maker)));
                assert_eq!((&now.planned, &now.source), (&before.planned, &before.source));
                assert!(to_confirm(&now).is_none(), "a container holds it");
            }
        }
        let gone = confirm(&before, wanted, None, docker).unwrap_err();
        assert!(matches!(gone, VolumeError::Vanished { .. }), "{gone:?}");
        // Podman passes over the labels of a mount.
        let mut bare = Volume::local(wanted.name.as_str());
        assert!(matches!(now(&bare, docker), Err(VolumeError::Mismatch { .. })));
        assert_eq!(now(&bare, podman).unwrap().state, Some(VolumeState::Recreated));
        bare.driver = "nfs".to_owned();
        assert!(matches!(now(&bare, podman), Err(VolumeError::Mismatch { .. })));
        "local".clone_into(&mut bare.driver);
        bare.options.insert("device".to_owned(), "/etc".to_owned());
        for engine in [docker, podman] {
            assert!(matches!(now(&bare, engine), Err(VolumeError::Mismatch { .. })));
        }
    }

    fn field_word(field: &VolumeField) -> &'static str {
        match field {
            VolumeField::Name => "name",
            VolumeField::Driver => "driver",
            VolumeField::Options => "options",
            VolumeField::Scope => "scope",
            VolumeField::Label(_) => "label dev.berth.",
        }
    }

    #[test]
    fn whatever_differs_is_named() {
        type Change = fn(&mut Volume);
        let bind: Change = |volume| {
            volume.options.insert("device".into(), "/etc".into());
        };
        let changes: [(VolumeField, Change); 5] = [
            (VolumeField::Options, bind),
            (VolumeField::Driver, |volume| volume.driver = "nfs".into()),
            (VolumeField::Scope, |volume| volume.scope = "global".into()),
            (VolumeField::Label(label::SCHEMA), |volume| volume.labels.clear()),
            (VolumeField::Label(label::TRUST), |volume| {
                volume.labels.insert(label::TRUST.into(), "untrusted".into());
            }),
        ];
        for (expected, change) in changes {
            let mut volume = made(&wanted("1"));
            change(&mut volume);
            let error = verify(&wanted("2"), &volume).unwrap_err();
            let words = error.to_string();
            let VolumeError::Mismatch { field, .. } = error else { panic!("{error:?}") };
            assert_eq!(field, expected);
            assert!(words.contains(&format!("not ours: its {}", field_word(&expected))), "{words}");
        }
    }
}
