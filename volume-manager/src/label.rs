//! The labels on everything that Berth makes: a public format.
//!
//! Every key begins with [`PREFIX`]. The set is written in the call that creates an object, so an
//! object that exists without its labels was not made by us.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::identity::{Provenance, Scope};

/// What every key of ours begins with; users' own labels may not.
pub const PREFIX: &str = "dev.berth.";
/// The version of this format: `1`.
pub const SCHEMA: &str = "dev.berth.schema";
/// What the object is: `cache` and `temporary` for volumes, `build` for a job's container.
pub const KIND: &str = "dev.berth.kind";
/// The installation that it belongs to.
pub const OWNER: &str = "dev.berth.owner";
/// The process that made it.
pub const INSTANCE: &str = "dev.berth.instance";
/// The run that made it.
pub const RUN: &str = "dev.berth.run";
/// The job that made it.
pub const JOB: &str = "dev.berth.job";
/// The project that it belongs to.
pub const PROJECT: &str = "dev.berth.project";
/// The pipeline that made it.
pub const PIPELINE: &str = "dev.berth.pipeline";
/// The branch or tag that was built.
pub const REFERENCE: &str = "dev.berth.ref";
/// `trusted` or `untrusted`.
pub const TRUST: &str = "dev.berth.trust";
/// Where a volume is mounted.
pub const DESTINATION: &str = "dev.berth.destination";
/// A cache's key.
pub const KEY: &str = "dev.berth.key";
/// When it was made: RFC 3339, UTC, whole seconds.
pub const CREATED_AT: &str = "dev.berth.created-at";
/// When a temporary object may be taken for abandoned: RFC 3339, UTC, whole seconds.
pub const DEADLINE: &str = "dev.berth.deadline";
/// On a container whose anonymous volumes stay when it is removed: [`KEPT`].
pub const ANONYMOUS_VOLUMES: &str = "dev.berth.anonymous-volumes";
/// A digest of the driver and options that a volume was asked for with.
pub const CONFIG_HASH: &str = "dev.berth.config-hash";

/// The value of [`SCHEMA`].
pub const SCHEMA_VERSION: &str = "1";
/// The value of [`ANONYMOUS_VOLUMES`].
pub const KEPT: &str = "kept";

/// The labels that objects of every kind carry.
pub fn common(kind: &str, scope: &Scope, provenance: &Provenance) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut set = |key: &str, value: &str| labels.insert(key.to_owned(), value.to_owned());
    set(SCHEMA, SCHEMA_VERSION);
    set(KIND, kind);
    set(OWNER, &scope.owner);
    set(PROJECT, &scope.project);
    set(TRUST, scope.trust.as_str());
    set(INSTANCE, &provenance.instance);
    set(RUN, &provenance.run);
    set(JOB, &provenance.job);
    set(CREATED_AT, &timestamp(provenance.created_at));
    if let Some(pipeline) = &provenance.pipeline {
        set(PIPELINE, pipeline);
    }
    if let Some(reference) = &provenance.reference {
        set(REFERENCE, reference);
    }
    labels
}

/// A label's value for a point in time. RFC 3339 has four digits for a year: what is before 1970 or
/// after 9999 is written as the nearest time that it has.
pub fn timestamp(time: SystemTime) -> String {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_epoch).to_string()
}

/// The point in time of a label's value; `None` when it is none.
pub fn time(value: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_begins_with_our_prefix() {
        let mut origin = Provenance::new("run", SystemTime::UNIX_EPOCH);
        origin.pipeline = Some("7".into());
        origin.reference = Some("main".into());
        let labels = common("cache", &Scope::trusted("o", "p"), &origin);
        assert!(labels.keys().all(|key| key.starts_with(PREFIX)), "{labels:?}");
        assert_eq!(labels.len(), 11);
    }

    #[test]
    fn a_time_is_utc_in_whole_seconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_999);
        assert_eq!(timestamp(time), "1970-01-02T00:00:00Z");
        assert_eq!(
            super::time("1970-01-02T00:00:00Z"),
            Some(SystemTime::UNIX_EPOCH + Duration::from_hours(24))
        );
        assert_eq!(super::time("yesterday"), None);
    }

    #[test]
    fn a_time_that_has_no_four_digits_for_its_year_is_the_nearest_that_has() {
        let far = UNIX_EPOCH + Duration::from_hours(100_000_000);
        assert_eq!(timestamp(far), "9999-12-31T23:59:59Z");
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
    }
}
