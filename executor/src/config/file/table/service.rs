//! Keys of `[[runners.docker.services]]`.

use super::{Key, Keys};
use crate::{
    config::file::{
        ConfigError,
        draft::Draft,
        key::Kind,
        text::{self, Problem},
        value::Item,
    },
    job::ServiceSpec,
};

pub(super) const SERVICE: Keys = &[KEYS];

const KEYS: &[Key] = &[
    Key::supported("name", Kind::Text, |draft, item| {
        draft.service.spec = Some(ServiceSpec::new(item.read(text::image)?));
        Ok(())
    }),
    Key::supported("alias", Kind::Text, |draft, item| {
        draft.service.aliases = text::aliases(item.text()?);
        Ok(())
    }),
    Key::supported("command", Kind::Texts, |draft, item| {
        draft.service.command = texts(item)?;
        Ok(())
    }),
    Key::supported("entrypoint", Kind::Texts, |draft, item| {
        draft.service.entrypoint = texts(item)?;
        Ok(())
    }),
    Key::supported("environment", Kind::Texts, |draft, item| {
        draft.service.variables = item.read_all(text::variable)?;
        Ok(())
    })
    .secret(),
    Key::unused("suspend_data_path", Kind::Text, "services are not suspended here"),
];

/// Adds the service whose table was read.
pub(super) fn add_service(draft: &mut Draft<'_>, table: &Item<'_>) -> Result<(), ConfigError> {
    let read = std::mem::take(&mut draft.service);
    let Some(mut spec) = read.spec else {
        let problem = Problem::new("has no name", "a service with the name of its image");
        return Err(table.invalid(&problem));
    };
    spec.image.entrypoint = read.entrypoint;
    spec.aliases = read.aliases;
    spec.command = read.command;
    spec.variables = read.variables;
    draft.config().services.definitions.push(spec);
    Ok(())
}

pub(super) fn texts(item: &Item<'_>) -> Result<Vec<String>, ConfigError> {
    item.read_all(|text| Ok(text.to_owned()))
}
