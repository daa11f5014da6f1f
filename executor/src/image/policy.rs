//! When an image is pulled, and whether the job may have it so.

use std::fmt;

use serde::{Deserialize, Serialize};

/// When an image is pulled. The words are GitLab's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PullPolicy {
    /// Each time, so that the registry decides what the image is and who may have it.
    Always,
    /// When the engine does not have it.
    IfNotPresent,
    /// Never: the engine has it, or the job fails.
    Never,
}

impl PullPolicy {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::IfNotPresent => "if-not-present",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for PullPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Who asked for pull policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicySource {
    /// The job.
    Job,
    /// The configuration, as the job asked for none.
    Configuration,
    /// Nobody, so that it is `always`.
    Default,
}

impl fmt::Display for PolicySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Job => "the job",
            Self::Configuration => "the configuration",
            Self::Default => "the default",
        })
    }
}

/// None of the pull policies that were asked for is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pull policies ({}) of {asked_by} are not among the allowed ones ({})",
    words(.refused),
    words(.allowed)
)]
#[non_exhaustive]
pub struct PullPolicyError {
    /// What was asked for, in that order.
    pub refused: Vec<PullPolicy>,
    /// Who asked for it.
    pub asked_by: PolicySource,
    /// What is allowed.
    pub allowed: Vec<PullPolicy>,
}

impl PullPolicyError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        let allowed = words(&self.allowed);
        match self.asked_by {
            PolicySource::Job => format!(
                "ask for one of ({allowed}) in the job's `pull_policy`, or have the configuration's \
                 `allowed_pull_policies` extended"
            ),
            PolicySource::Configuration => "make the configuration's `pull_policy` and \
                                            `allowed_pull_policies` agree"
                .to_owned(),
            PolicySource::Default => format!(
                "without a `pull_policy` it is always: set one of ({allowed}) in the configuration \
                 or the job"
            ),
        }
    }
}

fn words(policies: &[PullPolicy]) -> String {
    policies.iter().map(|policy| policy.as_str()).collect::<Vec<_>>().join(", ")
}

/// The policies to try, first to last: those that the job asks for, else the configuration's, else
/// `always`; without those that are not allowed. One that is named twice is tried twice.
///
/// An empty list is one that was not given. Without a list of what is allowed the configuration's
/// own policies are, and without these `always`: a job alone can not turn to `if-not-present`, which
/// hands it what other projects have pulled. The rule is GitLab Runner's.
///
/// # Errors
/// [`PullPolicyError`] when nothing is left.
pub(crate) fn allowed_policies(
    job: &[PullPolicy],
    configuration: &[PullPolicy],
    allowed: &[PullPolicy],
) -> Result<Vec<PullPolicy>, PullPolicyError> {
    const DEFAULT: &[PullPolicy] = &[PullPolicy::Always];
    let given = |list: &'_ [PullPolicy]| !list.is_empty();
    let (configured, configured_by) = if given(configuration) {
        (configuration, PolicySource::Configuration)
    } else {
        (DEFAULT, PolicySource::Default)
    };
    let (requested, asked_by) =
        if given(job) { (job, PolicySource::Job) } else { (configured, configured_by) };
    let allowed = if given(allowed) { allowed } else { configured };

    let kept: Vec<_> =
        requested.iter().copied().filter(|policy| allowed.contains(policy)).collect();
    if kept.is_empty() {
        return Err(PullPolicyError {
            refused: requested.to_vec(),
            asked_by,
            allowed: allowed.to_vec(),
        });
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a`, `i` and `n` are the policies; a last column with a capital is a refusal, by whom.
    /// Columns: job, configuration, allowed, result.
    const TABLE: &[[&str; 4]] = &[
        // Nothing is asked for or configured.
        ["", "", "", "a"],
        ["", "", "a", "a"],
        ["", "", "i", "Default"],
        ["", "", "n", "Default"],
        ["", "", "in", "Default"],
        ["", "", "ni", "Default"],
        ["", "", "ia", "a"],
        ["", "", "nai", "a"],
        ["", "", "aa", "a"],
        // The configuration asks.
        ["", "a", "", "a"],
        ["", "i", "", "i"],
        ["", "n", "", "n"],
        ["", "ai", "", "ai"],
        ["", "ia", "", "ia"],
        ["", "aa", "", "aa"],
        ["", "aia", "", "aia"],
        ["", "a", "a", "a"],
        ["", "a", "i", "Configuration"],
        ["", "a", "in", "Configuration"],
        ["", "i", "a", "Configuration"],
        ["", "i", "ai", "i"],
        ["", "n", "ai", "Configuration"],
        ["", "n", "ain", "n"],
        ["", "ai", "a", "a"],
        ["", "ai", "i", "i"],
        ["", "ai", "n", "Configuration"],
        ["", "ai", "ia", "ai"],
        ["", "nia", "ai", "ia"],
        ["", "aai", "ia", "aai"],
        // The job asks, nothing is configured: only `always` is allowed.
        ["a", "", "", "a"],
        ["i", "", "", "Job"],
        ["n", "", "", "Job"],
        ["in", "", "", "Job"],
        ["ia", "", "", "a"],
        ["aa", "", "", "aa"],
        ["aia", "", "", "aa"],
        // The job asks, and what is allowed is listed.
        ["a", "", "a", "a"],
        ["a", "", "i", "Job"],
        ["i", "", "i", "i"],
        ["i", "", "a", "Job"],
        ["n", "", "ai", "Job"],
        ["n", "", "ain", "n"],
        ["ia", "", "ai", "ia"],
        ["nia", "", "a", "a"],
        ["nn", "", "n", "nn"],
        // The job asks; what is configured is what is allowed.
        ["a", "a", "", "a"],
        ["a", "i", "", "Job"],
        ["i", "a", "", "Job"],
        ["i", "i", "", "i"],
        ["n", "ai", "", "Job"],
        ["a", "ai", "", "a"],
        ["i", "ai", "", "i"],
        ["ia", "ai", "", "ia"],
        ["ia", "a", "", "a"],
        ["nia", "ia", "", "ia"],
        ["aaa", "ai", "", "aaa"],
        // All three: the configuration's own list does not count.
        ["a", "i", "a", "a"],
        ["a", "a", "i", "Job"],
        ["i", "a", "i", "i"],
        ["i", "i", "a", "Job"],
        ["n", "n", "ai", "Job"],
        ["n", "a", "an", "n"],
        ["ain", "a", "ni", "in"],
        ["nia", "a", "ain", "nia"],
        ["ii", "a", "ai", "ii"],
        ["ia", "n", "n", "Job"],
        ["na", "ia", "in", "n"],
    ];

    fn policies(letters: &str) -> Vec<PullPolicy> {
        letters
            .chars()
            .map(|letter| match letter {
                'a' => PullPolicy::Always,
                'i' => PullPolicy::IfNotPresent,
                'n' => PullPolicy::Never,
                other => unreachable!("{other}"),
            })
            .collect()
    }

    #[test]
    fn what_is_asked_for_meets_what_is_allowed_in_the_order_asked() {
        assert!(TABLE.len() >= 60);
        for row @ [job, configuration, allowed, expected] in TABLE {
            let result =
                allowed_policies(&policies(job), &policies(configuration), &policies(allowed));
            match result {
                Ok(kept) => assert_eq!(kept, policies(expected), "{row:?}"),
                Err(error) => assert_eq!(format!("{:?}", error.asked_by), *expected, "{row:?}"),
            }
        }
    }

    #[test]
    fn a_refusal_says_what_was_refused_and_what_is_allowed() {
        let error = allowed_policies(&policies("in"), &policies("i"), &policies("a")).unwrap_err();
        assert_eq!(error.refused, policies("in"));
        assert_eq!(error.allowed, policies("a"));
        assert_eq!(error.asked_by, PolicySource::Job);
        assert!(error.hint().contains("(always)"));
    }

    #[test]
    fn a_refusal_without_a_list_names_what_the_configuration_implies() {
        let error = allowed_policies(&policies("n"), &[], &[]).unwrap_err();
        assert_eq!(error.allowed, policies("a"));
        let error = allowed_policies(&policies("n"), &policies("ia"), &[]).unwrap_err();
        assert_eq!(error.allowed, policies("ia"));
    }
}
