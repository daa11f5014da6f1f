//! Keys of `[runners.docker]` that say where the engine is.

use std::path::PathBuf;

use super::Key;
use crate::config::file::{key::Kind, text::word};

pub(super) const KEYS: &[Key] = &[
    Key::supported("host", Kind::Text, |draft, item| {
        draft.runner.endpoint.host = Some(item.read(word)?);
        Ok(())
    }),
    Key::supported("tls_cert_path", Kind::Text, |draft, item| {
        draft.runner.endpoint.tls_cert_path = Some(PathBuf::from(item.text()?));
        Ok(())
    }),
    Key::supported("tls_verify", Kind::Boolean, |draft, item| {
        draft.runner.endpoint.tls_verify = item.boolean()?;
        Ok(())
    }),
];
