//! Which distribution this machine runs: `/etc/os-release`.

use std::fs;

/// The names by which a distribution calls itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OsRelease {
    id: String,
    /// The distributions that it derives from, nearest first.
    like: Vec<String>,
}

impl OsRelease {
    /// This machine's; empty where there is no such file, as on macOS.
    pub(super) fn of_this_machine() -> Self {
        Self::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// Reads the file's text: shell assignments, one a line, with or without quotes.
    pub(super) fn parse(text: &str) -> Self {
        let mut release = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.trim().split_once('=') else { continue };
            let value = value.trim_matches(['"', '\'']);
            match name {
                "ID" => value.clone_into(&mut release.id),
                "ID_LIKE" => release.like = value.split_whitespace().map(str::to_owned).collect(),
                _ => {}
            }
        }
        release
    }

    /// Whether it has Debian's packages: Debian itself, Ubuntu, Mint, …
    pub(super) fn is_debian(&self) -> bool {
        self.id == "debian" || self.like.iter().any(|name| name == "debian")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_derivatives_are_recognised() {
        let debian =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert!(OsRelease::parse(debian).is_debian());
        assert!(OsRelease::parse("ID=ubuntu\nID_LIKE=debian\n").is_debian());
        assert!(OsRelease::parse("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n").is_debian());
        assert!(OsRelease::parse("# comment\n\nID='debian'").is_debian());
    }

    #[test]
    fn others_are_not_taken_for_debian() {
        assert!(!OsRelease::parse("ID=fedora\nID_LIKE=\"rhel\"\nNAME=debian\n").is_debian());
        assert!(!OsRelease::parse("ID=notdebian\nVARIANT_ID=debian").is_debian());
        assert!(!OsRelease::parse("").is_debian());
    }
}
