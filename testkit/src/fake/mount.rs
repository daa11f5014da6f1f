//! Which mounts the engine accepts, and where they end up. Pure.

use docker_api_trait::{Mount, MountSource};

/// A volume at its place in a container.
#[derive(Debug, Clone)]
pub(super) struct MountedVolume {
    /// The volume's name.
    pub(super) volume: String,
    /// The cleaned destination.
    pub(super) destination: String,
    pub(super) read_only: bool,
}

impl MountedVolume {
    /// Where in the volume the container's file `path` is; `None` when it is not in it.
    pub(super) fn path_inside(&self, path: &str) -> Option<String> {
        let path = clean(path);
        let inside = path.strip_prefix(&self.destination)?.strip_prefix('/')?;
        Some(inside.to_owned())
    }
}

/// The path without empty, `.` and `..` parts and without a slash at its end, as the engine sees
/// it. No `..` leads out of the root.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The cleaned destination, or the engine's words about what is wrong with the mount.
///
/// That a host path exists is taken for granted: there is no host here.
pub(super) fn check(mount: &Mount) -> Result<String, String> {
    let (kind, source) = match &mount.source {
        MountSource::Volume { .. } => ("volume", None),
        MountSource::Host { path } => ("bind", Some(path)),
        _ => ("unknown", None),
    };
    let invalid = |what: &str| Err(format!("invalid mount config for type \"{kind}\": {what}"));
    if mount.destination.is_empty() {
        return invalid("field Target must not be empty");
    }
    for path in source.into_iter().chain([&mount.destination]) {
        if !path.starts_with('/') {
            return invalid(&format!("invalid mount path: '{path}' mount path must be absolute"));
        }
    }
    match clean(&mount.destination).as_str() {
        "/" => invalid("invalid specification: destination can't be '/'"),
        destination => Ok(destination.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_cleaned_as_the_engine_cleans_them() {
        for (given, cleaned) in [
            ("/c", "/c"),
            ("/c/", "/c"),
            ("//c//d", "/c/d"),
            ("/d/../c", "/c"),
            ("/c/../../etc", "/etc"),
            ("/c/./d/.", "/c/d"),
            ("/c/..", "/"),
        ] {
            assert_eq!(clean(given), cleaned, "{given}");
        }
    }

    #[test]
    fn a_file_belongs_to_a_volume_only_below_its_destination() {
        let cache = MountedVolume {
            volume: "cache".to_owned(),
            destination: "/cache".to_owned(),
            read_only: false,
        };
        assert_eq!(cache.path_inside("/cache/a/b").as_deref(), Some("a/b"));
        assert_eq!(cache.path_inside("/cache/../tmp"), None);
        assert_eq!(cache.path_inside("/cache2/a"), None);
        assert_eq!(cache.path_inside("/cache"), None);
    }
}
