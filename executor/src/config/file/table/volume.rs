//! Keys of `[runners.docker]` for volumes and caches.

use super::{Key, network::pairs};
use crate::config::file::{
    ConfigError,
    key::Kind,
    network,
    text::{Problem, word},
    value::Item,
};
use std::collections::BTreeMap;
use volume_manager::{ContainerPath, HostPath, OperatingSystem, PathProblem, SpecReader};

pub(super) const KEYS: &[Key] = &[
    Key::supported("volumes", Kind::Texts, |draft, item| {
        let reader = SpecReader::new(OperatingSystem::Linux);
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
        let path = item.read(|path| {
            HostPath::new(OperatingSystem::Linux, path).map_err(|problem: PathProblem| {
                Problem::new(problem.to_string(), "an absolute path of the engine's host")
            })
        })?;
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
