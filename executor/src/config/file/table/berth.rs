//! Keys of `[runners.berth]`: what Berth has and GitLab Runner has not.

use super::{Key, Keys};
use crate::config::file::{ConfigError, key::Kind, text, value::Item};

pub(in super::super) const BERTH: Keys = &[KEYS];

const KEYS: &[Key] = &[
    Key::supported("pids_limit", Kind::Integer, |draft, item| {
        let expected = "a number of processes, or -1 for no limit";
        let limit: i64 = item.integer_in(-1..=i64::MAX, expected)?;
        if limit == 0 {
            return Err(item.invalid(&text::Problem::new("is out of range", expected)));
        }
        draft.for_all(|host| host.pids_limit = Some(limit));
        Ok(())
    }),
    Key::supported("stop_grace", Kind::Text, |draft, item| {
        draft.config().stop_grace = time(item)?;
        Ok(())
    }),
    Key::supported("cleanup_deadline", Kind::Text, |draft, item| {
        draft.config().cleanup_deadline = time(item)?;
        Ok(())
    }),
    Key::supported("after_script_timeout", Kind::Text, |draft, item| {
        draft.config().after_script_timeout = time(item)?;
        Ok(())
    }),
    Key::supported("pull_stall_timeout", Kind::Text, |draft, item| {
        draft.config().images.stall_timeout = time(item)?;
        Ok(())
    }),
    Key::supported("allow_host_paths", Kind::Boolean, |draft, item| {
        draft.config().policy.allow_host_paths = item.boolean()?;
        Ok(())
    }),
    Key::supported("allow_engine_socket", Kind::Boolean, |draft, item| {
        draft.config().policy.allow_engine_socket = item.boolean()?;
        Ok(())
    }),
    Key::supported("allow_host_options", Kind::Boolean, |draft, item| {
        draft.config().policy.allow_host_options = item.boolean()?;
        Ok(())
    }),
    Key::supported("allow_named_volumes", Kind::Boolean, |draft, item| {
        draft.config().policy.allow_named_volumes = item.boolean()?;
        Ok(())
    }),
];

fn time(item: &Item<'_>) -> Result<std::time::Duration, ConfigError> {
    item.read(text::time)
}
