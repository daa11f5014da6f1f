//! Keys of `[runners.docker]` for volumes and caches.

use super::{Key, network::pairs};
use crate::config::file::{
    ConfigError, ConfigNoteKind,
    key::Kind,
    network,
    text::{Problem, word},
    value::Item,
};
use std::collections::BTreeMap;
use volume_manager::{
    ContainerPath, HostPath, OperatingSystem, PathProblem, SpecOrigin, SpecReader,
};

const RELATIVE: &str = "is relative to an unknown working directory; caches are volumes";

pub(super) const KEYS: &[Key] = &[
    Key::supported("volumes", Kind::Texts, |draft, item| {
        let reader = SpecReader::new(OperatingSystem::Linux).with_origin(SpecOrigin::Operator);
        for member in item.members()? {
            let spec = member.text()?;
            // With variables it is read for each job.
            if !spec.contains('$') {
                reader.read(spec).map_err(|source| {
                    let (line, column) = member.place();
                    let (key, source) = (member.key().to_owned(), Box::new(source));
                    ConfigError::Volume { key, line, column, source }
                })?;
            }
            draft.config().volumes.push(spec.to_owned());
        }
        Ok(())
    }),
    Key::supported("disable_cache", Kind::Boolean, |draft, item| {
        draft.config().policy.disable_cache = item.boolean()?;
        Ok(())
    }),
    Key::supported("cache_dir", Kind::Text, |draft, item| {
        let read = |path: &str| {
            HostPath::new(OperatingSystem::Linux, path).map_err(|problem: PathProblem| {
                Problem::new(problem.to_string(), "a path of the engine's host")
            })
        };
        let written = item.text()?;
        if written.starts_with('/') {
            draft.config().policy.cache_dir = Some(item.read(read)?);
            return Ok(());
        }
        let Some(directory) = draft.working_directory.as_deref().and_then(|path| path.to_str())
        else {
            draft.note(item, ConfigNoteKind::Unsupported, RELATIVE);
            return Ok(());
        };
        let joined = format!("{directory}/{written}");
        let path = item.read(|_| read(&joined))?;
        let text = format!("is relative to the working directory; caches are kept in {path}");
        draft.note(item, ConfigNoteKind::Differs, text);
        draft.config().policy.cache_dir = Some(path);
        Ok(())
    }),
    Key::supported("volume_driver", Kind::Text, |draft, item| {
        let driver = item.read(word)?;
        draft.host().volume_driver = Some(driver.clone());
        draft.volume_driver = Some(driver);
        Ok(())
    }),
    Key::supported("volume_driver_ops", Kind::TextTable, |draft, item| {
        draft.volume_driver_options = pairs(item, |_| Ok(()))?;
        Ok(())
    })
    .secret(),
    Key::supported("volumes_from", Kind::Texts, |draft, item| {
        draft.host().volumes_from = item.read_all(network::volumes_from)?;
        Ok(())
    }),
    Key::supported("volume_keep", Kind::Boolean, |draft, item| {
        draft.config().containers.keep_anonymous_volumes = item.boolean()?;
        Ok(())
    }),
    Key::supported("tmpfs", Kind::TextTable, |draft, item| {
        draft.host().tmpfs = tmpfs(item)?;
        Ok(())
    }),
    Key::supported("services_tmpfs", Kind::TextTable, |draft, item| {
        draft.service_host().tmpfs = tmpfs(item)?;
        Ok(())
    }),
];

/// File systems in memory: paths in the container, and their mount options.
fn tmpfs(item: &Item<'_>) -> Result<BTreeMap<String, String>, ConfigError> {
    pairs(item, |path| match ContainerPath::new(OperatingSystem::Linux, path) {
        Ok(_) => Ok(()),
        Err(problem) => {
            let problem = format!("is for a path that {problem}");
            Err(Problem::new(problem, "an absolute path in the container for the key"))
        }
    })
}
