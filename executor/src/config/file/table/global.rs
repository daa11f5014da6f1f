//! Keys before the first `[[runners]]`: all but one are for the process that fetches jobs.

use super::Key;
use crate::config::file::key::Kind;

pub(super) const KEYS: &[Key] = &[
    Key::process("concurrent", Kind::Integer),
    Key::process("check_interval", Kind::Integer),
    Key::process("log_level", Kind::Text),
    Key::process("log_format", Kind::Text),
    Key::process("user", Kind::Text),
    Key::process("sentry_dsn", Kind::Text).secret(),
    Key::process("connection_max_age", Kind::Text),
    Key::process("listen_address", Kind::Text),
    Key::process("shutdown_timeout", Kind::Integer),
    Key::process("session_server", Kind::Table),
    Key::process("labels", Kind::TextTable),
    Key::process("experimental", Kind::Table),
    Key::process("machine", Kind::Table),
    // The chosen one is read with the keys of its own table.
    Key::supported("runners", Kind::Tables, |_, _| Ok(())),
];
