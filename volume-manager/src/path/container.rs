//! Where something is mounted in a container.

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{OperatingSystem, PathProblem, linux, look_alike, windows};

/// An absolute path in a container, never its root, in one canonical form: `/cache/`, `//cache` and
/// `/x/../cache` are all `/cache`. On Windows, `C:/Cache` and `c:\cache` are equal, and a named
/// pipe is a path, too.
///
/// `..` is resolved in the text, as the engine does it; a path that leads above the root is
/// refused. So is one that reads as another: with characters that cannot be seen or that imitate
/// those of ASCII.
///
/// Reading from text with [`FromStr`] is by the rules of Linux; deserialising takes either form.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerPath {
    system: OperatingSystem,
    text: String,
}

impl ContainerPath {
    /// Validates and normalises `text` by the rules of `system`.
    ///
    /// # Errors
    /// [`PathProblem`] when it is no absolute path, is the root or is hostile.
    pub fn new(system: OperatingSystem, text: &str) -> Result<Self, PathProblem> {
        let path = match system {
            OperatingSystem::Linux => linux::normalize(text)?,
            OperatingSystem::Windows => match windows::pipe(text)? {
                Some(pipe) => pipe,
                None => windows::normalize(text, &[':', '*', '?', '"', '<', '>'])?,
            },
        };
        let path = Self { system, text: path };
        // The engine's own rule for Windows: other drives may be mounted whole, the system's not.
        if path.text.is_empty() || path.identity() == "c:\\" {
            return Err(PathProblem::Root);
        }
        if look_alike::imitates(text) {
            return Err(PathProblem::LookAlike);
        }
        Ok(path)
    }

    /// The path of `relative` from this folder.
    ///
    /// # Errors
    /// [`PathProblem`], as for [`new`](Self::new): also when `relative` climbs above the root.
    pub fn join(&self, relative: &str) -> Result<Self, PathProblem> {
        if relative.is_empty() {
            return Err(PathProblem::Empty);
        }
        Self::new(self.system, &format!("{}{}{relative}", self.text, self.system.separator()))
    }

    /// The path in its canonical form, with the letters' case as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whose rules the path follows.
    pub fn system(&self) -> OperatingSystem {
        self.system
    }

    /// Whether it is a named pipe of Windows.
    pub fn is_pipe(&self) -> bool {
        self.system == OperatingSystem::Windows && self.text.starts_with(r"\\.\")
    }

    /// Whether it is the system's own: there, and below on Linux, a mount hides what the kernel
    /// shows, or fails at the container's start; on Windows it hides the system itself.
    pub fn is_reserved(&self) -> bool {
        match self.system {
            OperatingSystem::Linux => ["/proc", "/sys", "/dev"].iter().any(|kernels| {
                self.text
                    .strip_prefix(kernels)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
            OperatingSystem::Windows => self.identity() == r"c:\windows",
        }
    }

    /// What makes it the same as another path: equal paths have equal identities. On Linux the path
    /// itself, on Windows the path in lower case and without a `\\?\` before it.
    pub fn identity(&self) -> Cow<'_, str> {
        match self.system {
            OperatingSystem::Linux => Cow::Borrowed(&self.text),
            OperatingSystem::Windows => {
                let text = self.text.strip_prefix(windows::VERBATIM).unwrap_or(&self.text);
                Cow::Owned(text.to_lowercase())
            }
        }
    }

    /// How many components it has.
    pub fn depth(&self) -> usize {
        let separator = self.system.separator();
        self.identity().split(separator).filter(|component| !component.is_empty()).count()
    }

    /// Whether `other` is this path or below it, by whole components: `/a` does not contain `/ab`.
    pub fn contains(&self, other: &Self) -> bool {
        let (own, other) = (self.identity(), other.identity());
        let separator = self.system.separator();
        other
            .strip_prefix(own.trim_end_matches(separator))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
    }

    /// Whether `other` is below this path.
    pub fn is_ancestor_of(&self, other: &Self) -> bool {
        self != other && self.contains(other)
    }

    /// Whether this path is below `other`.
    pub fn is_descendant_of(&self, other: &Self) -> bool {
        other.is_ancestor_of(self)
    }
}

impl PartialEq for ContainerPath {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for ContainerPath {}

impl PartialOrd for ContainerPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ContainerPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for ContainerPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Debug for ContainerPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ContainerPath({:?})", self.text)
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for ContainerPath {
    type Err = PathProblem;

    fn from_str(text: &str) -> Result<Self, PathProblem> {
        Self::new(OperatingSystem::Linux, text)
    }
}

impl TryFrom<String> for ContainerPath {
    type Error = PathProblem;

    fn try_from(text: String) -> Result<Self, PathProblem> {
        Self::new(OperatingSystem::of(&text), &text)
    }
}

impl From<ContainerPath> for String {
    fn from(path: ContainerPath) -> Self {
        path.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux(text: &str) -> ContainerPath {
        text.parse().unwrap()
    }

    fn windows(text: &str) -> ContainerPath {
        ContainerPath::new(OperatingSystem::Windows, text).unwrap()
    }

    #[test]
    fn a_path_has_one_spelling() {
        for spelling in ["/cache", "/cache/", "//cache", "/./cache/.", "/cache//", "/x/../cache"] {
            assert_eq!(linux(spelling).as_str(), "/cache", "{spelling}");
        }
        for spelling in [r"c:\cache", "c:/cache", r"c:\cache\", r"c:\\cache", r"c:\cache. ."] {
            assert_eq!(windows(spelling).as_str(), r"c:\cache", "{spelling}");
        }
        for spelling in [r"\\.\pipe\a", "//./pipe/a", r"\\./PIPE/a"] {
            assert_eq!(windows(spelling).as_str(), r"\\.\pipe\a", "{spelling}");
        }
    }

    #[test]
    fn on_windows_case_and_the_verbatim_prefix_make_no_difference() {
        let path = windows(r"C:\Cache");
        assert_eq!(path.as_str(), r"C:\Cache", "it is shown as it was written");
        for same in [r"c:\cache", r"\\?\c:\CACHE"] {
            assert_eq!(path, windows(same));
            assert_eq!(path.cmp(&windows(same)), Ordering::Equal);
            assert_eq!(path.identity(), windows(same).identity());
            assert_eq!(path.partial_cmp(&windows(same)), Some(Ordering::Equal));
            let set = std::collections::HashSet::from([path.clone()]);
            assert!(set.contains(&windows(same)), "equal paths have equal hashes");
        }
        assert_ne!(path, windows(r"d:\cache"));
        assert_ne!(linux("/Cache"), linux("/cache"));
        let set = std::collections::HashSet::from([linux("/a"), linux("/b"), linux("/a/")]);
        assert_eq!((set.len(), set.contains(&linux("/c"))), (2, false));
        assert_eq!(format!("{:?}", linux("/a")), "ContainerPath(\"/a\")");
    }

    #[test]
    fn what_is_no_path_of_a_linux_container_is_refused() {
        let (long, wide) = (format!("/{}", "x/".repeat(2500)), format!("/{}", "x".repeat(256)));
        for (text, problem) in [
            ("", PathProblem::Empty),
            ("relative/path", PathProblem::NotAbsolute),
            ("./x", PathProblem::NotAbsolute),
            (r"c:\x", PathProblem::NotAbsolute),
            ("/", PathProblem::Root),
            ("/.", PathProblem::Root),
            ("///", PathProblem::Root),
            ("/a/..", PathProblem::Root),
            ("/c/../../etc", PathProblem::Climbs),
            ("/..", PathProblem::Climbs),
            ("/a\nb", PathProblem::ControlCharacter),
            ("/a\0", PathProblem::ControlCharacter),
            ("/a\u{85}", PathProblem::ControlCharacter),
            (long.as_str(), PathProblem::TooLong),
            (wide.as_str(), PathProblem::ComponentTooLong),
        ] {
            assert_eq!(text.parse::<ContainerPath>().unwrap_err(), problem, "{text:?}");
        }
        linux(&wide[..256]);
        assert_eq!(linux(&format!("{}y", "/x".repeat(2047))).as_str().len(), 4095);
        let longer = format!("{}yz", "/x".repeat(2047));
        assert_eq!(longer.parse::<ContainerPath>().unwrap_err(), PathProblem::TooLong);
    }

    #[test]
    fn what_is_no_path_of_a_windows_container_is_refused() {
        for (text, problem) in [
            ("", PathProblem::Empty),
            ("/x", PathProblem::NotAbsolute),
            (r"\x", PathProblem::NotAbsolute),
            ("relative", PathProblem::NotAbsolute),
            ("c:relative", PathProblem::NotAbsolute),
            (r"1:\x", PathProblem::NotAbsolute),
            (r"\\server\share", PathProblem::NotAbsolute),
            ("c:", PathProblem::Root),
            ("C:/", PathProblem::Root),
            (r"\\?\c:\", PathProblem::Root),
            (r"c:\a\..", PathProblem::Root),
            (r"c:\a\..\..\b", PathProblem::Climbs),
            (r"c:\a*", PathProblem::Forbidden),
            (r"c:\a\...", PathProblem::OnlyDots),
            (r"\\.\pipe\", PathProblem::Root),
            (r"\\.\pipe\a\..\b", PathProblem::Climbs),
            (r"\\.\pipe\a?", PathProblem::Forbidden),
            ("c:\\a\n", PathProblem::ControlCharacter),
        ] {
            let error = ContainerPath::new(OperatingSystem::Windows, text).unwrap_err();
            assert_eq!(error, problem, "{text:?}");
        }
        assert_eq!(windows("d:").as_str(), r"d:\", "another drive may be mounted whole");
    }

    #[test]
    fn a_path_that_reads_as_another_is_refused() {
        for text in [
            "/\u{ff0f}proc",
            "/\u{ff50}\u{ff52}\u{ff4f}\u{ff43}",
            "/pr\u{43e}c",
            "/\u{455}\u{443}\u{455}",
            "/cache\u{202e}",
            "/ca\u{200b}che",
            "/\u{2024}\u{2024}/etc",
            "/a\u{2215}b",
            "/a\u{2044}b",
            "/a\u{a0}b",
            "/\u{1d41d}ev",
            "/a\u{e000}",
            "/é\u{2215}",
            "/日\u{ad}本",
        ] {
            assert_eq!(
                text.parse::<ContainerPath>().unwrap_err(),
                PathProblem::LookAlike,
                "{text:?} {}",
                text.escape_unicode()
            );
        }
    }

    #[test]
    fn names_in_any_script_are_paths() {
        for text in ["/日本語", "/café", "/кэш-сборки", "/κρυφή", "/ذاكرة", "/cache-ü", "/📦"]
        {
            assert_eq!(linux(text).as_str(), text);
        }
    }

    #[test]
    fn containment_goes_by_whole_components() {
        let (a, b, ab) = (linux("/a"), linux("/a/b"), linux("/ab"));
        assert!(a.contains(&a) && a.contains(&b) && !a.contains(&ab) && !b.contains(&a));
        assert!(a.is_ancestor_of(&b) && !a.is_ancestor_of(&a) && !a.is_ancestor_of(&ab));
        assert!(b.is_descendant_of(&a) && !a.is_descendant_of(&b) && !a.is_descendant_of(&a));
        assert!(windows(r"C:\A").contains(&windows(r"c:\a\B")));
        assert!(!windows(r"c:\path").contains(&windows(r"c:\pathology")));
        assert!(windows("d:").is_ancestor_of(&windows(r"D:\x")));
        assert_eq!((b.depth(), windows(r"c:\a\b").depth()), (2, 3));
    }

    #[test]
    fn a_relative_path_joins_a_folder() {
        let folder = linux("/builds/app");
        assert_eq!(folder.join("target/./x").unwrap().as_str(), "/builds/app/target/x");
        assert_eq!(folder.join("../x").unwrap().as_str(), "/builds/x");
        assert_eq!(folder.join("../../../x").unwrap_err(), PathProblem::Climbs);
        assert_eq!(folder.join("").unwrap_err(), PathProblem::Empty);
        assert_eq!(windows(r"c:\b").join("x/y").unwrap().as_str(), r"c:\b\x\y");
    }

    #[test]
    fn a_system_has_the_engines_name() {
        assert_eq!(linux("/a").system().to_string(), "linux");
        assert_eq!(windows("d:").system().to_string(), "windows");
    }

    #[test]
    fn both_systems_survive_serialisation() {
        for path in [linux("/cache"), windows(r"C:\Cache"), windows("//./pipe/x")] {
            let text = serde_json::to_string(&path).unwrap();
            let read: ContainerPath = serde_json::from_str(&text).unwrap();
            assert_eq!((read.system(), read.as_str()), (path.system(), path.as_str()));
        }
        assert!(serde_json::from_str::<ContainerPath>("\"/..\"").is_err());
    }
}
