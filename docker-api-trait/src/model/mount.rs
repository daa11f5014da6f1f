//! What is mounted into a container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::VolumeName;

/// Something mounted into a container.
///
/// The engine is given a mount wherever one can say it, not a bind string: it creates a vanished
/// volume of a bind string without labels, so that nobody could tell whose it is; that of a mount
/// gets the mount's labels. [`bind_string`](Self::bind_string) has the exceptions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mount {
    /// Where it appears in the container: an absolute path.
    pub destination: String,
    /// What appears there.
    pub source: MountSource,
    /// Whether the container may only read it.
    pub read_only: bool,
    /// Whether and for whom the engine labels the files anew, on a host with `SELinux`; without it
    /// this has no effect.
    pub relabel: Option<Relabel>,
    /// Whether what the container writes goes to a layer above and is forgotten with it. Docker's
    /// engine refuses this; Podman's knows it.
    pub overlay: bool,
    /// How closely both sides agree, where the host is not Linux; on Linux this has no effect.
    pub consistency: Option<Consistency>,
}

impl Mount {
    /// A mount that may be written to.
    pub fn new(destination: impl Into<String>, source: MountSource) -> Self {
        Self {
            destination: destination.into(),
            source,
            read_only: false,
            relabel: None,
            overlay: false,
            consistency: None,
        }
    }

    /// The bind string, `source:destination:options`, that stands in for this mount in a request;
    /// `None` when the engine is given a mount.
    ///
    /// Only a bind string says [`relabel`](Self::relabel), [`overlay`](Self::overlay) and that a
    /// missing folder is to be made. It cannot say other things: the labels, driver and options of
    /// a volume that vanished are lost, and a missing folder of the host is made whether `create`
    /// is set or not.
    ///
    /// # Errors
    /// What is wrong, when the engine would read another source or destination in it than meant: a
    /// colon ends each, and a source that is no absolute path is a volume's name. The colon after a
    /// Windows drive's letter is none of those.
    pub fn bind_string(&self) -> Result<Option<String>, String> {
        let create = matches!(self.source, MountSource::Host { create: true, .. });
        if self.relabel.is_none() && !self.overlay && !create {
            return Ok(None);
        }
        let source = match &self.source {
            MountSource::Volume { name, .. } => name.as_str(),
            MountSource::Host { path, .. } => {
                if !is_absolute(path) {
                    return Err(format!(
                        "the source {path:?} of a bind string must be an absolute path, or it would \
                         be read as a volume's name"
                    ));
                }
                path
            }
            MountSource::Pipe { path } => path,
        };
        for (role, path) in [("source", source), ("destination", &self.destination)] {
            if without_drive(path).contains(':') {
                return Err(format!(
                    "the {role} {path:?} cannot be in a bind string: its colon would be read as the \
                     {role}'s end"
                ));
            }
        }
        let mut bind = format!("{source}:{}", self.destination);
        let options = self.bind_options();
        if !options.is_empty() {
            bind = format!("{bind}:{}", options.join(","));
        }
        Ok(Some(bind))
    }

    fn bind_options(&self) -> Vec<&'static str> {
        let (no_copy, propagation) = match &self.source {
            MountSource::Volume { no_copy, .. } => (*no_copy, None),
            MountSource::Host { propagation, .. } => (false, *propagation),
            MountSource::Pipe { .. } => (false, None),
        };
        [
            self.read_only.then_some("ro"),
            no_copy.then_some("nocopy"),
            self.relabel.map(Relabel::as_str),
            self.overlay.then_some("O"),
            propagation.map(Propagation::as_str),
            self.consistency.map(Consistency::as_str),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Whether a path of the host is absolute, on Linux or on Windows.
fn is_absolute(path: &str) -> bool {
    without_drive(path).starts_with(['/', '\\'])
}

/// The path after a Windows drive's letter and colon; all of it when it has none.
fn without_drive(path: &str) -> &str {
    match path.as_bytes() {
        [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic() => &path[2..],
        _ => path,
    }
}

/// The host's side of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MountSource {
    /// A named volume.
    Volume {
        /// Its name.
        name: VolumeName,
        /// The labels that it gets if it vanished and is created anew.
        labels: BTreeMap<String, String>,
        /// Its driver, if it vanished and is created anew; `None` is the engine's default. One that
        /// is there with another driver is a conflict.
        driver: Option<String>,
        /// The options for the driver, if it vanished and is created anew.
        options: BTreeMap<String, String>,
        /// Whether a volume that is empty stays empty, instead of being filled with what the image
        /// has at the destination, owner and mode included.
        no_copy: bool,
    },
    /// A file or folder of the engine's host.
    Host {
        /// Its absolute path.
        path: String,
        /// How mounts made below it later travel between host and container; `None` is the engine's
        /// default, [`Propagation::RecursivePrivate`].
        propagation: Option<Propagation>,
        /// Whether the engine makes a folder, as root, when there is nothing; else that is an
        /// error.
        create: bool,
    },
    /// A named pipe of a Windows host.
    Pipe {
        /// Its path.
        path: String,
    },
}

/// Something that is mounted into a container, as the engine tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountPoint {
    /// What it is.
    pub kind: MountKind,
    /// The volume's name; `None` for anything else. Not validated: others may have given it by
    /// other rules.
    pub name: Option<String>,
    /// Where it is on the engine's host; empty when it is nowhere.
    pub source: String,
    /// Where it is in the container, as the engine cleaned it: without a slash at its end.
    pub destination: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

impl MountPoint {
    /// A mount point that may be written to, without a volume's name.
    pub fn new(kind: MountKind, source: impl Into<String>, destination: impl Into<String>) -> Self {
        Self {
            kind,
            name: None,
            source: source.into(),
            destination: destination.into(),
            read_only: false,
        }
    }
}

/// What a mount point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MountKind {
    /// A volume, named or anonymous.
    Volume,
    /// A file or folder of the engine's host.
    Host,
    /// A file system in memory.
    Tmpfs,
    /// A named pipe of a Windows host.
    Pipe,
    /// A kind that this crate has no name for.
    Other,
}

/// For whom files are labelled anew on a host with `SELinux`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Relabel {
    /// For all containers.
    Shared,
    /// For this container alone.
    Private,
}

impl Relabel {
    /// The engine's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "z",
            Self::Private => "Z",
        }
    }
}

/// How mounts that are made below a mounted folder later travel between host and container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Propagation {
    /// Not at all.
    Private,
    /// Not at all, nor those of mounts below.
    #[serde(rename = "rprivate")]
    RecursivePrivate,
    /// Both ways.
    Shared,
    /// Both ways, those of mounts below too.
    #[serde(rename = "rshared")]
    RecursiveShared,
    /// From host to container.
    Slave,
    /// From host to container, those of mounts below too.
    #[serde(rename = "rslave")]
    RecursiveSlave,
}

impl Propagation {
    /// The engine's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::RecursivePrivate => "rprivate",
            Self::Shared => "shared",
            Self::RecursiveShared => "rshared",
            Self::Slave => "slave",
            Self::RecursiveSlave => "rslave",
        }
    }
}

/// How closely host and container agree on what is in a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Consistency {
    /// At every moment.
    Consistent,
    /// The host is ahead.
    Cached,
    /// The container is ahead.
    Delegated,
}

impl Consistency {
    /// The engine's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consistent => "consistent",
            Self::Cached => "cached",
            Self::Delegated => "delegated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(path: &str, create: bool) -> MountSource {
        MountSource::Host { path: path.to_owned(), propagation: None, create }
    }

    fn volume() -> MountSource {
        MountSource::Volume {
            name: "cache".parse().unwrap(),
            labels: BTreeMap::new(),
            driver: None,
            options: BTreeMap::new(),
            no_copy: true,
        }
    }

    #[test]
    fn a_bind_string_is_used_only_where_a_mount_cannot_say_it() {
        let mut mount = Mount::new("/c", host("/a", false));
        mount.read_only = true;
        mount.consistency = Some(Consistency::Cached);
        assert_eq!(mount.bind_string(), Ok(None));
        assert_eq!(Mount::new("/c", volume()).bind_string(), Ok(None));
        let created = Mount::new("/c", host("/a", true));
        assert_eq!(created.bind_string(), Ok(Some("/a:/c".to_owned())));
    }

    #[test]
    fn a_bind_string_has_all_options_in_one_order() {
        let mut mount = Mount::new("/c", volume());
        mount.read_only = true;
        mount.relabel = Some(Relabel::Private);
        mount.consistency = Some(Consistency::Delegated);
        assert_eq!(mount.bind_string(), Ok(Some("cache:/c:ro,nocopy,Z,delegated".to_owned())));
        mount.source = MountSource::Host {
            path: "/a,b".to_owned(),
            propagation: Some(Propagation::RecursiveSlave),
            create: false,
        };
        mount.overlay = true;
        assert_eq!(mount.bind_string(), Ok(Some("/a,b:/c:ro,Z,O,rslave,delegated".to_owned())));
    }

    #[test]
    fn a_bind_string_that_would_be_misread_is_refused() {
        for (source, destination, role) in [
            ("/a:b", "/c", "source"),
            ("/a", "/c:ro", "destination"),
            ("a", "/c", "source"),
            ("./a", "/c", "source"),
            ("c:a", "/c", "source"),
            ("", "/c", "source"),
        ] {
            let complaint = Mount::new(destination, host(source, true)).bind_string().unwrap_err();
            assert!(complaint.starts_with(&format!("the {role} ")), "{complaint}");
            assert_eq!(Mount::new(destination, host(source, false)).bind_string(), Ok(None));
        }
        for windows in [r"C:\a", "c:/a", r"\\server\a"] {
            assert!(Mount::new(windows, host(windows, true)).bind_string().is_ok(), "{windows}");
        }
    }

    #[test]
    fn a_word_is_the_engines_in_a_file_too() {
        let written = serde_json::to_string(&Propagation::RecursiveShared).unwrap();
        assert_eq!(written, "\"rshared\"");
        assert_eq!(serde_json::to_string(&Consistency::Cached).unwrap(), "\"cached\"");
        assert_eq!(serde_json::to_string(&Relabel::Private).unwrap(), "\"private\"");
    }
}
