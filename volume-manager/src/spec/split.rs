//! A spec's parts: what stands between the colons that separate.

use crate::path::OperatingSystem;

/// A piece of a spec, and the column where it begins, in characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) column: usize,
}

impl<'a> Piece<'a> {
    /// The pieces between commas: options.
    pub(super) fn options(self) -> impl Iterator<Item = Piece<'a>> {
        self.text.split(',').scan(self.column, |next, text| {
            let column = *next;
            *next += text.chars().count() + 1;
            Some(Piece { text, column })
        })
    }
}

/// The parts of `spec`, one at least. On Windows, the colon of a drive does not separate.
pub(super) fn parts(system: OperatingSystem, spec: &str) -> Vec<Piece<'_>> {
    let mut parts = Vec::new();
    let (mut rest, mut column) = (spec, 1);
    loop {
        let drive = match system {
            OperatingSystem::Linux => 0,
            OperatingSystem::Windows => drive(rest),
        };
        let Some(length) = rest[drive..].find(':') else {
            parts.push(Piece { text: rest, column });
            return parts;
        };
        let text = &rest[..drive + length];
        parts.push(Piece { text, column });
        column += text.chars().count() + 1;
        rest = &rest[text.len() + 1..];
    }
}

/// How many bytes at the beginning of `text` are a drive: a letter and a colon, followed by a
/// slash, by the next part or by nothing. `x:c:\y` therefore begins with the name `x`.
fn drive(text: &str) -> usize {
    let prefix = if text.starts_with(r"\\?\") || text.starts_with("//?/") { 4 } else { 0 };
    let bytes = &text.as_bytes()[prefix..];
    let is_drive = bytes.len() > 1
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes.get(2), None | Some(b'\\' | b'/' | b':'));
    if is_drive { prefix + 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(system: OperatingSystem, spec: &str) -> Vec<(&str, usize)> {
        parts(system, spec).iter().map(|piece| (piece.text, piece.column)).collect()
    }

    #[test]
    fn on_linux_every_colon_separates() {
        assert_eq!(split(OperatingSystem::Linux, ""), [("", 1)]);
        assert_eq!(split(OperatingSystem::Linux, "ä:/b:"), [("ä", 1), ("/b", 3), ("", 6)]);
        assert_eq!(split(OperatingSystem::Linux, r"c:\a"), [("c", 1), (r"\a", 3)]);
    }

    #[test]
    fn on_windows_a_drives_colon_does_not() {
        for (spec, expected) in [
            (r"c:\a", vec![r"c:\a"]),
            ("c:", vec!["c:"]),
            ("d::ro", vec!["d:", "ro"]),
            (r"c:\a:d:", vec![r"c:\a", "d:"]),
            (r"c:/a:c:/b:rw", vec!["c:/a", "c:/b", "rw"]),
            (r"x:c:\y", vec!["x", r"c:\y"]),
            (r"name:c:\x", vec!["name", r"c:\x"]),
            (r"\\?\c:\very:c:\y", vec![r"\\?\c:\very", r"c:\y"]),
            (r"\\.\pipe\a:\\.\pipe\b:rw", vec![r"\\.\pipe\a", r"\\.\pipe\b", "rw"]),
            ("1:/x", vec!["1", "/x"]),
            ("c:rel", vec!["c", "rel"]),
        ] {
            let texts: Vec<_> =
                parts(OperatingSystem::Windows, spec).iter().map(|piece| piece.text).collect();
            assert_eq!(texts, expected, "{spec}");
        }
        assert_eq!(
            split(OperatingSystem::Windows, r"ä:c:\y:ro"),
            [("ä", 1), (r"c:\y", 3), ("ro", 8)]
        );
    }
}
