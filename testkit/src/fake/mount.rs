//! Which mounts the engine accepts, and where they end up. Pure.

use std::collections::BTreeSet;

use docker_api_trait::{Mount, MountSource};

/// A volume at its place in a container.
#[derive(Debug, Clone)]
pub(super) struct MountedVolume {
    /// The volume's name.
    pub(super) volume: String,
    /// The cleaned destination, or where it leads through the image's links.
    pub(super) destination: String,
    pub(super) read_only: bool,
    /// Whether the volume, while it is empty, is filled from the image.
    pub(super) copies: bool,
}

impl MountedVolume {
    /// Where in the volume the container's file `path` is, empty for its root; `None` when it is not
    /// in it.
    pub(super) fn path_inside(&self, path: &str) -> Option<String> {
        let path = clean(path);
        let inside = path.strip_prefix(&self.destination)?;
        if inside.is_empty() {
            return Some(String::new());
        }
        inside.strip_prefix('/').map(ToOwned::to_owned)
    }
}

/// The volume that holds the container's file `path`, and where in it that is. A mount within
/// another's destination covers it.
pub(super) fn innermost<'a>(
    mounted: &'a [MountedVolume],
    path: &str,
) -> Option<(&'a MountedVolume, String)> {
    mounted
        .iter()
        .filter_map(|volume| Some((volume, volume.path_inside(path)?)))
        .max_by_key(|(volume, _)| volume.destination.len())
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

/// The cleaned destination of what the engine is given as a mount, or its words about what is wrong.
pub(super) fn check(mount: &Mount, missing: &BTreeSet<String>) -> Result<String, String> {
    let kind = match &mount.source {
        MountSource::Volume { .. } => "volume",
        MountSource::Host { .. } => "bind",
        MountSource::Pipe { .. } => "npipe",
        _ => "unknown",
    };
    let invalid = |what: String| format!("invalid mount config for type \"{kind}\": {what}");
    if kind == "npipe" {
        return Err(invalid("mount type unknown".to_owned()));
    }
    let destination = check_destination(&mount.destination).map_err(invalid)?;
    if let MountSource::Host { path, .. } = &mount.source {
        check_absolute(path).map_err(invalid)?;
        if missing.contains(&clean(path)) {
            return Err(invalid(format!("bind source path does not exist: {path}")));
        }
    }
    Ok(destination)
}

/// The cleaned destination of a bind string, or the engine's words about what is wrong.
///
/// Measured on Engine 20.10: `O` is an invalid mode; the mode is looked at before the paths.
pub(super) fn check_bind(mount: &Mount, bind: &str) -> Result<String, String> {
    let invalid = |what: String| format!("invalid volume specification: '{bind}'{what}");
    let parts: Vec<&str> = bind.splitn(4, ':').collect();
    let (destination, mode) = match parts[..] {
        [_, destination] if !destination.is_empty() => (destination, ""),
        [_, destination, mode] => (destination, mode),
        _ => return Err(invalid(String::new())),
    };
    // No option is there twice; every other one is a word of the engine's.
    if mount.overlay || mode.contains(['/', '\\']) {
        return Err(format!("invalid mode: {mode}"));
    }
    let kind = if bind.starts_with('/') { "bind" } else { "volume" };
    check_destination(destination)
        .map_err(|what| invalid(format!(": invalid mount config for type \"{kind}\": {what}")))
}

fn check_destination(destination: &str) -> Result<String, String> {
    if destination.is_empty() {
        return Err("field Target must not be empty".to_owned());
    }
    let cleaned = clean(destination);
    if destination.starts_with('/') && cleaned == "/" {
        return Err("invalid specification: destination can't be '/'".to_owned());
    }
    check_absolute(destination)?;
    Ok(cleaned)
}

fn check_absolute(path: &str) -> Result<(), String> {
    if path.starts_with('/') {
        Ok(())
    } else {
        Err(format!("invalid mount path: '{path}' mount path must be absolute"))
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
            copies: true,
        };
        assert_eq!(cache.path_inside("/cache/a/b").as_deref(), Some("a/b"));
        assert_eq!(cache.path_inside("/cache/../tmp"), None);
        assert_eq!(cache.path_inside("/cache2/a"), None);
        assert_eq!(cache.path_inside("/cache").as_deref(), Some(""));
    }
}
