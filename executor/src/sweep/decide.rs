//! Whether an object may be taken. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use volume_manager::{ObjectLabels, Role, label};

use crate::{instance::Life, outcome::ObjectKind};

/// Engines tell ages in whole seconds, and two engines' clocks are not the same: nothing is overdue
/// before this time after its deadline.
const GRACE: Duration = Duration::from_mins(1);

/// How the name of a temporary volume begins, whatever the version of its labels.
const TEMPORARY: &str = "berth-t";

/// Why an object's owner is taken for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Death {
    /// The process that made it holds its lock no more.
    Ended,
    /// Nothing is known of the process, and the object's deadline has passed.
    Overdue,
}

impl Death {
    /// What it is in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ended => "its process has ended",
            Self::Overdue => "its deadline has passed",
        }
    }
}

/// Why an object of ours stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kept {
    /// The process that made it lives.
    Lives,
    /// It was made by another host, or under another state folder, and its deadline has not passed.
    NotOverdue,
    /// As before, and it has no deadline: its job has no time limit.
    NoDeadline,
    /// As before, and the engine does not tell its age.
    NoAge,
    /// It belongs to another installation.
    OtherOwner,
    /// Its labels are of a version that this one does not know.
    OtherSchema,
    /// It has another name than its run gave it. An image hands its labels on, also one that somebody
    /// made of a build container, so that it may be a stranger's.
    OtherName,
}

impl Kept {
    /// What it is in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lives => "its process lives",
            Self::NotOverdue => "made elsewhere; its deadline has not passed",
            Self::NoDeadline => "made elsewhere, by a job without a time limit",
            Self::NoAge => "made elsewhere; the engine does not tell its age",
            Self::OtherOwner => "it belongs to another owner",
            Self::OtherSchema => "another version of Berth made it",
            Self::OtherName => {
                "another name than its run gave it, so that a stranger may have made it"
            }
        }
    }
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It is removed.
    Remove(Death),
    /// It stays.
    Keep(Kept),
}

/// What is known of an object when its end is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) kind: ObjectKind,
    pub(super) name: &'a str,
    pub(super) labels: &'a BTreeMap<String, String>,
    /// When it was made, by the engine's clock.
    pub(super) created: Option<SystemTime>,
}

/// What is asked of all objects alike.
pub(super) struct Question<'a> {
    /// The only installation whose objects are taken; of all when there is none.
    pub(super) owner: Option<&'a str>,
    /// What dead processes of the state folder left is taken whatever its owner: that they are dead is
    /// known, not reckoned.
    pub(super) ended_of_all: bool,
    /// Whether the process with a label lives.
    pub(super) life: &'a dyn Fn(&str) -> Life,
    /// What the engine's clock says.
    pub(super) now: Option<SystemTime>,
}

/// Decides. `None`: the object is no business of a sweep, because a stranger made it, or because it
/// is a cache.
pub(super) fn verdict(facts: Facts<'_>, question: &Question<'_>) -> Option<Verdict> {
    let ours = ObjectLabels::read(facts.labels)?;
    let (schema, role) = (ours.schema()?, ours.role()?);
    let is_temporary = match facts.kind {
        ObjectKind::Container => role.is_container(),
        ObjectKind::Network => role == Role::Network,
        ObjectKind::Volume => role == Role::Temporary,
    };
    // Without these the owner of the object is unknown.
    let (owner, instance, run) = (ours.owner()?, ours.instance()?, ours.run()?);
    if !is_temporary {
        return None;
    }
    if schema != label::SCHEMA_VERSION {
        return Some(Verdict::Keep(Kept::OtherSchema));
    }
    let of_others = question.owner.is_some_and(|ours| ours != owner);
    if of_others && !question.ended_of_all {
        return Some(Verdict::Keep(Kept::OtherOwner));
    }
    let is_named = match facts.kind {
        ObjectKind::Container | ObjectKind::Network => is_named_by(run, facts.name),
        // Its name is drawn from its run, and the run cannot be had back from it.
        ObjectKind::Volume => facts.name.starts_with(TEMPORARY),
    };
    if !is_named {
        return Some(Verdict::Keep(Kept::OtherName));
    }
    Some(match (question.life)(instance) {
        Life::Lives => Verdict::Keep(Kept::Lives),
        Life::Dead => Verdict::Remove(Death::Ended),
        Life::Unknown if of_others => Verdict::Keep(Kept::OtherOwner),
        Life::Unknown => match overdue(facts, question.now) {
            Ok(()) => Verdict::Remove(Death::Overdue),
            Err(kept) => Verdict::Keep(kept),
        },
    })
}

/// Whether a container's name ends in its run, or in its run and a place in it, as ours do.
fn is_named_by(run: &str, name: &str) -> bool {
    let is_place = |rest: &str| {
        let place = rest.strip_prefix('-');
        rest.is_empty()
            || place.is_some_and(|place| {
                !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    let parts = name.rsplit_once(run).filter(|_| !run.is_empty());
    parts.is_some_and(|(before, rest)| before.ends_with('-') && is_place(rest))
}

/// Whether the deadline has passed. Both of its labels were written by one clock, so that the time
/// between them is right even if that clock was not; it is counted from the object's making by the
/// engine's clock alone.
fn overdue(facts: Facts<'_>, now: Option<SystemTime>) -> Result<(), Kept> {
    let ours = ObjectLabels::read(facts.labels).ok_or(Kept::NoDeadline)?;
    let deadline = ours.deadline().ok_or(Kept::NoDeadline)?;
    let written = ours.created_at().ok_or(Kept::NoDeadline)?;
    let lifetime = deadline.duration_since(written).map_err(|_| Kept::NoDeadline)?;
    let (created, now) = (facts.created.ok_or(Kept::NoAge)?, now.ok_or(Kept::NoAge)?);
    let created = match facts.kind {
        ObjectKind::Volume => begin_of_volume(created, written, now),
        ObjectKind::Container | ObjectKind::Network => created,
    };
    let end = created.checked_add(lifetime).and_then(|end| end.checked_add(GRACE));
    match end {
        Some(end) if end < now => Ok(()),
        _ => Err(Kept::NotOverdue),
    }
}

/// When the life of a volume is taken to have begun. Some engines tell when its root was last written to,
/// which a job can set to any time, and the label is of a clock that may have been wrong: the later
/// of both counts, so that a doubt keeps it, but one that is yet to come is no beginning. The minute is
/// for clocks that differ a little, and for what is made after the engine was asked for the time.
///
/// Where both are yet to come, the earlier counts: nothing is taken on no evidence, and it is waited
/// for no longer than it must. A volume that a container has is removed by no engine, however its times
/// are set.
fn begin_of_volume(created: SystemTime, written: SystemTime, now: SystemTime) -> SystemTime {
    let latest = now.checked_add(GRACE).unwrap_or(now);
    let credible = [created, written].into_iter().filter(|time| *time <= latest).max();
    credible.unwrap_or_else(|| created.min(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000;
    const TEN_YEARS: u64 = 315_360_000;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_volume_goes_in_time_whatever_its_makers_clock_and_its_job_have_said() {
        let (kept, removed) = (Err(Kept::NotOverdue), Ok(()));
        // 100 s of life and 60 s of grace.
        let (young, old) = (NOW - 160, NOW - 161);
        let (ahead, behind) = (NOW + TEN_YEARS, NOW - TEN_YEARS);
        for (written, created, expected) in [
            // The clock of its maker was years off; the engine's counts.
            (ahead, young, kept),
            (ahead, old, removed),
            (behind, young, kept),
            (behind, old, removed),
            // The job has written years into its root; its maker's clock counts.
            (young, behind, kept),
            (old, behind, removed),
            (young, ahead, kept),
            (old, ahead, removed),
            // Made after the engine was asked for the time, by clocks that are behind or a little ahead.
            (behind, NOW + 1, kept),
            (NOW + 59, NOW + 1, kept),
            // A clock a little ahead counts as long as it is.
            (NOW + 60, old, kept),
            (NOW + 61, old, removed),
            // There is no evidence at all.
            (ahead, ahead, kept),
        ] {
            let times = [(label::CREATED_AT, written), (label::DEADLINE, written + 100)];
            let labels =
                times.map(|(key, time)| (key.to_owned(), label::timestamp(at(time)))).into();
            let created = Some(at(created));
            let facts = Facts { kind: ObjectKind::Volume, name: "x", labels: &labels, created };
            assert_eq!(overdue(facts, Some(at(NOW))), expected, "written {written}, {created:?}");
        }
    }
}
