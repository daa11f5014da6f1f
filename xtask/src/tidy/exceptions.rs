//! What breaks a rule for now. The list only becomes shorter: an entry that breaks no rule is a finding.

use super::imports::Path;

/// Each is a file that is too long, a `FILE fn FUNCTION` that is too long, or an import that closes a
/// circle, `CRATE: MODULE > MODULE`; and the reason.
pub(super) const EXCEPTIONS: &[(&str, &str)] = &[];

/// The exceptions, and which of them were needed.
pub(super) struct Exceptions {
    list: &'static [(&'static str, &'static str)],
    needed: Vec<bool>,
}

impl Exceptions {
    pub(super) fn new(list: &'static [(&'static str, &'static str)]) -> Self {
        Self { list, needed: vec![false; list.len()] }
    }

    /// Whether something may break a rule.
    pub(super) fn allow(&mut self, what: &str) -> bool {
        let index = self.list.iter().position(|(entry, _)| *entry == what);
        if let Some(index) = index {
            self.needed[index] = true;
        }
        index.is_some()
    }

    /// The imports of a crate that may close a circle.
    pub(super) fn imports(&self, package: &str) -> Vec<(Path, Path)> {
        let entries = self.list.iter().filter_map(|(entry, _)| entry.split_once(": "));
        let entries = entries.filter(|(name, _)| *name == package);
        entries
            .filter_map(|(_, import)| import.split_once(" > "))
            .map(|(from, to)| (module(from), module(to)))
            .collect()
    }

    /// The entries that were not needed, as findings.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.list.iter().zip(&self.needed).filter(|(_, needed)| !**needed);
        unused
            .map(|((entry, _), _)| {
                format!(
                    "{entry}: no longer breaks a rule; remove it from xtask/src/tidy/exceptions.rs"
                )
            })
            .collect()
    }
}

/// How the list names an import.
pub(super) fn import(package: &str, from: &[String], to: &[String]) -> String {
    format!("{package}: {} > {}", name(from), name(to))
}

/// A module's path for a person.
pub(super) fn name(module: &[String]) -> String {
    if module.is_empty() { "crate".to_owned() } else { module.join("::") }
}

fn module(name: &str) -> Path {
    if name == "crate" { Path::new() } else { name.split("::").map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exception_that_is_not_needed_is_a_finding() {
        let mut exceptions =
            Exceptions::new(&[("a.rs", ""), ("b.rs fn f", ""), ("c: crate > d::e", "")]);
        assert!(exceptions.allow("a.rs"));
        assert!(!exceptions.allow("b.rs"));
        let (from, to) = (Path::new(), vec!["d".to_owned(), "e".to_owned()]);
        assert_eq!(exceptions.imports("c"), [(from.clone(), to.clone())]);
        assert_eq!(exceptions.imports("d"), []);
        assert!(exceptions.allow(&import("c", &from, &to)));
        let unused = exceptions.unused();
        assert_eq!(unused.len(), 1);
        assert!(unused[0].starts_with("b.rs fn f: no longer"), "{unused:?}");
    }

    #[test]
    fn every_exception_has_a_reason() {
        assert!(EXCEPTIONS.iter().all(|(_, reason)| !reason.is_empty()));
    }
}
