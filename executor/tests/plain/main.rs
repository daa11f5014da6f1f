//! The differential suite: what a script prints on each stream and its exit code are those of a plain
//! `docker run --rm --init IMAGE sh`, in busybox's ash, dash and bash, on a real engine.
//!
//! The scripts are data, in groups. `BERTH_PLAIN_ONLY` selects those whose names contain a text.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod berth;
mod compare;
mod groups;
mod plain;
mod script;

use compare::compare;
use script::{Script, Shell};

/// The page that describes each difference that is allowed.
const PAGE: &str = include_str!("../../../docs/jobs.md");

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn busybox_scripts_behave_as_in_a_plain_shell() {
    compare(Shell::Ash).await;
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn dash_scripts_behave_as_in_a_plain_shell() {
    compare(Shell::Dash).await;
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn bash_scripts_behave_as_in_a_plain_shell() {
    compare(Shell::Bash).await;
}

#[test]
fn suite_has_120_scripts_for_each_shell_with_unique_names() {
    let all: Vec<&Script> = groups::all().collect();
    let mut names: Vec<_> = all.iter().map(|script| script.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len(), "two scripts have one name");
    for shell in Shell::ALL {
        let count = all.iter().filter(|script| script.runs_in(shell)).count();
        assert!(count >= 120, "{count} scripts for {shell:?}");
    }
}

#[test]
fn allowed_differences_are_documented() {
    for script in groups::all() {
        if let Some(allowed) = &script.allowed {
            assert!(PAGE.contains(allowed.reason), "{}: {}", script.name, allowed.reason);
        }
    }
}
