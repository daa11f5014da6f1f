//! Which credential is for which image.
//!
//! A credential goes to the registry that it names, host and port alike, and to no other: there are
//! no wildcards, no suffixes, no second name for a host but `index.docker.io` for `docker.io`.

use std::collections::BTreeSet;

use super::{
    AuthConfig, Credential, CredentialError, CredentialHelpers, helper::is_helper_name,
    model::server,
};
use crate::{
    describe::describe,
    image::{RegistryImage, reference::registry},
    job::RegistryLogin,
};

/// Where credentials are looked for.
///
/// The longest path wins, `host/team/tool` before `host/team` before `host`; of two for one path
/// that of the variable, then that of the user that runs jobs, then that which came with the job.
/// The order is GitLab Runner's: what a project sets on purpose goes before what is there for all
/// images, and that before the token that every job gets.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub(crate) struct CredentialSources {
    /// The job's variable `DOCKER_AUTH_CONFIG`.
    pub(crate) variable: Option<AuthConfig>,
    /// The configuration of the user that runs jobs.
    pub(crate) user: Option<AuthConfig>,
    /// What came with the job.
    pub(crate) job: Vec<RegistryLogin>,
}

/// A place where a credential may be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Lookup {
    /// It is here.
    Known(Credential),
    /// This helper may have it.
    Helper {
        /// The helper's name, checked.
        name: String,
        /// What to ask it for.
        server: String,
    },
}

impl CredentialSources {
    /// The places where the credential for an image may be, the first that has one counts. Pure.
    ///
    /// An item is an error when that place cannot be used; what comes before it is none the worse.
    pub(crate) fn lookups(&self, image: &RegistryImage) -> Vec<Result<Lookup, CredentialError>> {
        let mut found = Vec::new();
        let repository = image.repository();
        let mut path = repository.as_str();
        loop {
            for source in [&self.variable, &self.user].into_iter().flatten() {
                source.lookups(path, &image.registry, &mut found);
            }
            let logins = self.job.iter().filter(|login| is_for(&login.registry, path));
            found.extend(logins.map(|login| {
                let (user, password) = (login.username.as_str(), login.password.as_str());
                Ok(Lookup::Known(Credential::password(&image.registry, user, password)))
            }));
            match path.rsplit_once('/') {
                Some((parent, _)) => path = parent,
                None => return found,
            }
        }
    }

    /// Looks for the credential for an image. Asks helpers only as far as it must. A source that cannot
    /// be used is reported, and the next one is used: the registry may be open, or know another user.
    pub(crate) async fn resolve(
        &self,
        image: &RegistryImage,
        helpers: &CredentialHelpers,
    ) -> Resolved {
        let mut resolved = Resolved::default();
        for source in [&self.variable, &self.user].into_iter().flatten() {
            if let Some(problem) = &source.problem {
                resolved.report(problem);
            }
        }
        // A helper that is missing or hangs is missing for every path of the image.
        let mut unusable = BTreeSet::new();
        for lookup in self.lookups(image) {
            let found = match lookup {
                Ok(Lookup::Known(credential)) => Ok(Some(credential)),
                Ok(Lookup::Helper { name, .. }) if unusable.contains(&name) => Ok(None),
                Ok(Lookup::Helper { name, server }) => {
                    helpers.get(&name, &server, &image.registry).await
                }
                Err(error) => Err(error),
            };
            match found {
                Ok(None) => {}
                Ok(found) => {
                    resolved.credential = found;
                    break;
                }
                Err(error) => {
                    if let CredentialError::HelperStart { name, .. }
                    | CredentialError::HelperTimeout { name, .. } = &error
                    {
                        unusable.insert(name.clone());
                    }
                    resolved.report(&error);
                }
            }
        }
        resolved
    }
}

/// What was found for an image.
#[derive(Debug, Default)]
#[non_exhaustive]
pub(crate) struct Resolved {
    /// The credential; `None` if no source has one.
    pub(crate) credential: Option<Credential>,
    /// The sources that could not be used.
    pub(crate) broken: Vec<BrokenCredentials>,
}

impl Resolved {
    fn report(&mut self, error: &CredentialError) {
        let broken = BrokenCredentials { why: describe(error), hint: error.hint() };
        if !self.broken.contains(&broken) {
            self.broken.push(broken);
        }
    }
}

/// A source of credentials that could not be used. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenCredentials {
    /// The source and the reason.
    pub why: String,
    /// What a person can do about it.
    pub hint: &'static str,
}

impl AuthConfig {
    /// What it has for exactly this path.
    fn lookups(
        &self,
        path: &str,
        registry: &str,
        found: &mut Vec<Result<Lookup, CredentialError>>,
    ) {
        let entries = || self.auths.iter().filter(|(key, _)| is_for(key, path));
        let asked = if path == registry { server(registry) } else { path.to_owned() };
        let own = self.helpers.iter().find(|(key, name)| !name.is_empty() && is_for(key, path));
        let helper = match (own, &self.store) {
            (Some((_, name)), _) => Some((name, asked)),
            // A store keeps what was entered under that very key; there is an empty entry for it.
            (None, Some(name)) => match entries().next() {
                Some((key, _)) => Some((name, key.clone())),
                None => (path == registry).then_some((name, asked)),
            },
            (None, None) => None,
        };
        let entry = entries().find(|(_, entry)| entry.is_filled()).map(|(key, entry)| {
            entry.credential(registry).map(Lookup::Known).ok_or_else(|| CredentialError::Encoding {
                origin: self.origin.clone(),
                key: key.clone(),
            })
        });
        let helper = helper.map(|(name, server)| self.helper(name, server));
        if self.may_run_helpers {
            found.extend(helper.into_iter().chain(entry));
        } else {
            // What stands there in full is of use although the helper is not.
            found.extend(entry.or(helper));
        }
    }

    fn helper(&self, name: &str, server: String) -> Result<Lookup, CredentialError> {
        let (origin, name) = (self.origin.clone(), name.to_owned());
        if !is_helper_name(&name) {
            Err(CredentialError::HelperName { origin, name })
        } else if !self.may_run_helpers {
            Err(CredentialError::HelperRefused { origin, name })
        } else {
            Ok(Lookup::Helper { name, server })
        }
    }
}

/// Whether a key such as `https://index.docker.io/v1/`, `host:5000` or `host/team` is for this path
/// in full.
fn is_for(key: &str, path: &str) -> bool {
    normalised(key).is_some_and(|key| key == path)
}

/// A key without scheme and version of the API, its host in one form. `None` when it has anything
/// else that a registry's address has not, such as a user.
fn normalised(key: &str) -> Option<String> {
    let key = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| {
            let (start, rest) = key.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        })
        .unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let host = registry(host)?;
    match path.trim_end_matches('/') {
        "" | "v1" | "v2" => Some(host),
        path => Some(format!("{host}/{path}")),
    }
}

#[cfg(test)]
mod tests;
