//! Keys of `[runners.docker]` about images, and about who runs them.

use super::Key;
use crate::{
    config::file::{
        ConfigError, ConfigNoteKind,
        key::Kind,
        text::{Problem, image, word},
        value::Item,
    },
    image::PullPolicy,
};

const DEFAULT_IMAGE: &str =
    "has variables in it, which are not expanded here; each job must name its own image";
const HELPER_IMAGE: &str =
    "has variables in it, which are not expanded here; helper steps run in the job's image";

pub(super) const KEYS: &[Key] = &[
    Key::supported("image", Kind::Text, |draft, item| {
        if item.text()?.contains('$') {
            draft.note(item, ConfigNoteKind::Unsupported, DEFAULT_IMAGE);
            return Ok(());
        }
        draft.config().images.default = Some(item.read(image)?);
        Ok(())
    }),
    Key::supported("helper_image", Kind::Text, |draft, item| {
        // Mostly GitLab Runner's own version, which Berth has not.
        if item.text()?.contains('$') {
            draft.note(item, ConfigNoteKind::Unsupported, HELPER_IMAGE);
            return Ok(());
        }
        draft.config().images.helper = Some(item.read(image)?);
        Ok(())
    }),
    Key::unused(
        "helper_image_flavor",
        Kind::Text,
        "there are no ready-made helper images here; name one with helper_image",
    ),
    Key::unused(
        "helper_image_autoset_arch_and_os",
        Kind::Boolean,
        "there are no ready-made helper images here; name one with helper_image",
    ),
    Key::supported("pull_policy", Kind::TextOrTexts, |draft, item| {
        let policies = match item.value().as_str() {
            Some(_) => vec![item.read(pull_policy)?],
            None => item.read_all(pull_policy)?,
        };
        draft.config().images.pull_policies = policies;
        draft.places.has_pull_policy = true;
        Ok(())
    }),
    Key::supported("allowed_pull_policies", Kind::Texts, |draft, item| {
        draft.config().images.allowed_pull_policies = item.read_all(pull_policy)?;
        let problem =
            Problem::new("allows no policy of pull_policy", "one of those in pull_policy");
        draft.places.allowed_pull_policies = Some(Box::new(item.invalid(&problem)));
        Ok(())
    }),
    Key::supported("allowed_images", Kind::Texts, |draft, item| {
        draft.config().images.allowed_images = patterns(item)?;
        Ok(())
    }),
    Key::supported("allowed_services", Kind::Texts, |draft, item| {
        draft.config().images.allowed_services = patterns(item)?;
        Ok(())
    }),
    Key::supported("allowed_privileged_images", Kind::Texts, |draft, item| {
        draft.config().containers.privileged_images = patterns(item)?;
        Ok(())
    }),
    Key::supported("allowed_privileged_services", Kind::Texts, |draft, item| {
        draft.config().services.privileged_images = patterns(item)?;
        Ok(())
    }),
    Key::supported("disable_entrypoint_overwrite", Kind::Boolean, |draft, item| {
        draft.config().containers.ignore_entrypoint = item.boolean()?;
        Ok(())
    }),
    Key::supported("user", Kind::Text, |draft, item| {
        draft.config().containers.user = Some(item.read(word)?);
        Ok(())
    }),
    Key::supported("allowed_users", Kind::Texts, |draft, item| {
        draft.config().containers.allowed_users = item.read_all(word)?;
        Ok(())
    }),
];

fn pull_policy(text: &str) -> Result<PullPolicy, Problem> {
    let policies = [PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never];
    let expected = "always, if-not-present or never";
    let policy = policies.into_iter().find(|policy| policy.as_str() == text);
    policy.ok_or_else(|| Problem::new("is no pull policy", expected))
}

/// Patterns are read where images are matched with them; an empty one would match nothing.
fn patterns(item: &Item<'_>) -> Result<Vec<String>, ConfigError> {
    item.read_all(|text| {
        word(text).map_err(|problem| Problem {
            expected: "a pattern such as registry.example/team/*:*",
            ..problem
        })
    })
}
