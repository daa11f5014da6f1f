//! Keys of `[[runners.docker.services]]`.

use super::{Key, runner::variable, section::SERVICE};
use crate::{
    ImageSpec, ServiceSpec,
    config::file::{
        ConfigError,
        draft::{Draft, ServiceDraft},
        key::Kind,
        read::walk,
        text,
        text::Problem,
        value::Item,
    },
};

pub(super) const KEYS: &[Key] = &[
    Key::supported("name", Kind::Text, |draft, item| {
        draft.service.spec = Some(ServiceSpec::new(item.read(image)?));
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
        draft.service.variables = item.read_all(variable)?;
        Ok(())
    })
    .secret(),
    Key::unused("suspend_data_path", Kind::Text, "services are not suspended here"),
];

/// Reads the list of services.
pub(super) fn services(draft: &mut Draft<'_>, item: &Item<'_>) -> Result<(), ConfigError> {
    for table in item.members()? {
        draft.service = ServiceDraft::default();
        walk(draft, &table, SERVICE)?;
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
    }
    Ok(())
}

/// An image's name. Variables in it are refused: they are only known with a job.
pub(super) fn image(text: &str) -> Result<ImageSpec, Problem> {
    let expected = "an image such as alpine:3 or registry.example/team/image:1";
    if text.contains('$') {
        return Err(Problem::new("has a variable in it, which is not expanded here", expected));
    }
    let name = docker_api_trait::ImageReference::new(text)
        .map_err(|error| Problem::new(format!("is no image: {}", error.reason), expected))?;
    Ok(ImageSpec::new(name))
}

pub(super) fn texts(item: &Item<'_>) -> Result<Vec<String>, ConfigError> {
    item.read_all(|text| Ok(text.to_owned()))
}
