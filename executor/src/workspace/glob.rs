//! Which files of the build folder are artifacts.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{RelativePath, WorkspaceError};

/// Patterns that take, and patterns that leave out.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    take: GlobSet,
    leave: GlobSet,
    /// The patterns that take, as they were written.
    patterns: Vec<String>,
}

impl Selection {
    pub(super) fn new<T: AsRef<str>>(
        patterns: impl IntoIterator<Item = T>,
    ) -> Result<Self, WorkspaceError> {
        let mut take = GlobSetBuilder::new();
        let mut leave = GlobSetBuilder::new();
        let mut written = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            if let Some(pattern) = pattern.strip_prefix('!') {
                leave.add(glob(pattern)?);
            } else {
                take.add(glob(pattern)?);
                written.push(pattern.to_owned());
            }
        }
        if written.is_empty() {
            return Err(malformed("", "no pattern takes anything"));
        }
        let build = |set: GlobSetBuilder| {
            set.build().map_err(|error| malformed("", &error.kind().to_string()))
        };
        Ok(Self { take: build(take)?, leave: build(leave)?, patterns: written })
    }

    /// Whether the path, or a folder that it is in, is taken and none is left out. Notes in `used`
    /// which patterns took it.
    pub(super) fn takes(&self, path: &RelativePath, used: &mut [bool]) -> bool {
        let places = || std::iter::once(path.clone()).chain(path.ancestors());
        let mut taken = false;
        for place in places() {
            for index in self.take.matches(place.as_path()) {
                taken = true;
                used[index] = true;
            }
        }
        taken && !places().any(|place| self.leave.is_match(place.as_path()))
    }

    pub(super) fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

/// The pattern, relative to the build folder as the paths are.
fn glob(pattern: &str) -> Result<globset::Glob, WorkspaceError> {
    let relative = pattern.strip_prefix("./").unwrap_or(pattern);
    let relative = relative.strip_suffix('/').unwrap_or(relative);
    let problem = if relative.is_empty() || relative == "." {
        Some("it is empty; everything is `**`")
    } else if relative.starts_with('/') {
        Some("it is absolute")
    } else if relative.split('/').any(|name| name == "..") {
        Some("`..` leads out of the build folder")
    } else {
        None
    };
    if let Some(problem) = problem {
        return Err(malformed(pattern, problem));
    }
    GlobBuilder::new(relative)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| malformed(pattern, &error.kind().to_string()))
}

fn malformed(pattern: &str, problem: &str) -> WorkspaceError {
    WorkspaceError::Pattern { pattern: pattern.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(patterns: &[&str], path: &str) -> bool {
        let selection = Selection::new(patterns).unwrap();
        let mut used = vec![false; selection.patterns().len()];
        selection.takes(&RelativePath::new(path).unwrap(), &mut used)
    }

    #[test]
    fn a_star_stays_within_a_folder_and_two_do_not() {
        assert!(takes(&["*.tar"], "a.tar"));
        assert!(!takes(&["*.tar"], "sub/a.tar"));
        assert!(takes(&["**/*.tar"], "a.tar"));
        assert!(takes(&["**/*.tar"], "sub/deep/a.tar"));
        assert!(takes(&["out/**"], "out/deep/.hidden"));
        assert!(takes(&["report-?.{xml,json}"], "report-1.json"));
        assert!(!takes(&["report-?.{xml,json}"], "report-10.json"));
    }

    #[test]
    fn a_folder_takes_all_that_is_in_it() {
        for pattern in ["target/doc", "./target/doc/", "target/*", "target"] {
            assert!(takes(&[pattern], "target/doc/a/b.html"), "{pattern}");
        }
        assert!(!takes(&["target/doc"], "target/docs"));
        assert!(!takes(&["target/doc"], "target"));
    }

    #[test]
    fn what_is_left_out_stays_out_whatever_the_order() {
        for patterns in [["!**/*.tmp", "out"], ["out", "!**/*.tmp"]] {
            assert!(takes(&patterns, "out/a"));
            assert!(!takes(&patterns, "out/deep/a.tmp"));
        }
        assert!(!takes(&["**", "!node_modules"], "node_modules/x/y"));
    }

    #[test]
    fn refuses_patterns_that_mean_nothing_or_leave_the_folder() {
        for bad in [&[""][..], &["."], &["/etc"], &["../x"], &["a/../b"], &["a{b"], &["!x"], &[]] {
            let error = Selection::new(bad).unwrap_err();
            assert!(matches!(error, WorkspaceError::Pattern { .. }), "{bad:?}");
        }
    }
}
