//! Docker's `config.json`, as far as it is about credentials.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use super::{CredentialError, model::Credential};

/// People cut the padding off when they copy.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Credentials in the form of Docker's `config.json`. Secrets do not show in debug output.
#[derive(Clone)]
pub struct AuthConfig {
    pub(super) origin: String,
    pub(super) auths: BTreeMap<String, Entry>,
    pub(super) store: Option<String>,
    pub(super) helpers: BTreeMap<String, String>,
    pub(super) may_run_helpers: bool,
    /// Why nothing of it could be read.
    pub(super) problem: Option<Arc<CredentialError>>,
}

/// What `config.json` says about one registry.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    creds_store: Option<String>,
    cred_helpers: Option<BTreeMap<String, String>>,
}

impl AuthConfig {
    /// Reads the text of a `config.json`; `origin` says in errors where it is from:
    /// `DOCKER_AUTH_CONFIG`, or a path. Keys that are not about credentials are ignored.
    ///
    /// # Errors
    /// [`CredentialError::Malformed`].
    pub fn parse(origin: impl Into<String>, text: &str) -> Result<Self, CredentialError> {
        let origin = origin.into();
        match serde_json::from_str::<File>(text) {
            Ok(file) => Ok(Self::new(origin, file)),
            Err(error) => Err(malformed(origin, &error)),
        }
    }

    /// Reads the text of the older `.dockercfg`: what `auths` is in a `config.json`.
    ///
    /// # Errors
    /// [`CredentialError::Malformed`].
    pub fn parse_legacy(origin: impl Into<String>, text: &str) -> Result<Self, CredentialError> {
        let origin = origin.into();
        match serde_json::from_str(text) {
            Ok(auths) => Ok(Self::new(origin, File { auths: Some(auths), ..File::default() })),
            Err(error) => Err(malformed(origin, &error)),
        }
    }

    /// The same, but naming a credential helper is an error when it comes to asking one. A helper
    /// runs on this machine with this machine's identity, so a job that could name one and an image
    /// could pull whatever the machine may.
    pub fn without_helpers(self) -> Self {
        Self { may_run_helpers: false, ..self }
    }

    fn new(origin: String, file: File) -> Self {
        let auths = file.auths.unwrap_or_default();
        Self {
            origin,
            auths: auths.into_iter().filter_map(|(key, entry)| Some((key, entry?))).collect(),
            store: file.creds_store.filter(|name| !name.is_empty()),
            helpers: file.cred_helpers.unwrap_or_default(),
            may_run_helpers: true,
            problem: None,
        }
    }

    /// A configuration that could not be read. It opens nothing; the reason is reported when an image is
    /// pulled, and again when a registry refuses.
    pub fn broken(problem: CredentialError) -> Self {
        let mut config = Self::new(String::new(), File::default());
        config.problem = Some(Arc::new(problem));
        config
    }
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthConfig")
            .field("origin", &self.origin)
            .field("auths", &self.auths.keys())
            .field("store", &self.store)
            .field("helpers", &self.helpers)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}

impl Entry {
    /// Whether it holds something. `docker login` leaves an empty one for what a helper keeps.
    pub(super) fn is_filled(&self) -> bool {
        [&self.auth, &self.username, &self.identitytoken]
            .into_iter()
            .any(|field| is_filled(field.as_ref()))
    }

    /// The credential in it, for that registry. `None` when what it holds is no Base64 of a user and
    /// a password.
    pub(super) fn credential(&self, registry: &str) -> Option<Credential> {
        if let Some(token) = self.identitytoken.as_ref().filter(|token| is_filled(Some(token))) {
            return Some(Credential::identity_token(registry, token));
        }
        let Some(auth) = self.auth.as_ref().filter(|auth| is_filled(Some(auth))) else {
            let password = self.password.as_deref().unwrap_or_default();
            return Some(Credential::password(registry, self.username.as_ref()?, password));
        };
        let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
        let (username, password) = text.split_once(':')?;
        // Docker itself once padded them.
        Some(Credential::password(registry, username, password.trim_matches('\0')))
    }
}

fn is_filled(field: Option<&String>) -> bool {
    field.is_some_and(|text| !text.is_empty())
}

fn malformed(origin: String, error: &serde_json::Error) -> CredentialError {
    CredentialError::Malformed { origin, line: error.line(), column: error.column() }
}

/// Reads the credentials of the user that runs jobs: `config.json` in `docker_config` (the variable
/// `DOCKER_CONFIG`) or else in `.docker` of `home`; when there is none, `.dockercfg` of `home`.
/// `None` when there is neither. Blocks while it reads.
///
/// # Errors
/// [`CredentialError::Read`] when a file is there and cannot be read, [`CredentialError::Malformed`].
pub fn read_user_auth_config(
    docker_config: Option<&Path>,
    home: Option<&Path>,
) -> Result<Option<AuthConfig>, CredentialError> {
    let docker_config = docker_config.filter(|folder| !folder.as_os_str().is_empty());
    let folder = docker_config.map(Path::to_owned).or_else(|| Some(home?.join(".docker")));
    if let Some(path) = folder.map(|folder| folder.join("config.json"))
        && let Some(text) = read(&path)?
    {
        return AuthConfig::parse(path.display().to_string(), &text).map(Some);
    }
    if docker_config.is_none()
        && let Some(path) = home.map(|home| home.join(".dockercfg"))
        && let Some(text) = read(&path)?
    {
        return AuthConfig::parse_legacy(path.display().to_string(), &text).map(Some);
    }
    Ok(None)
}

fn read(path: &PathBuf) -> Result<Option<String>, CredentialError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CredentialError::Read { path: path.clone(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: &str) -> Entry {
        serde_json::from_str(json).unwrap()
    }

    fn opens(json: &str) -> Option<(String, String, Option<String>)> {
        let credential = entry(json).credential("a.b")?;
        Some((credential.username, credential.password, credential.identity_token))
    }

    #[test]
    fn an_entry_is_read_in_each_form() {
        let pair = |user: &str, password: &str| Some((user.into(), password.into(), None));
        for (json, expected) in [
            // ci:s3:cret, with and without padding, and padded with NUL.
            (r#"{"auth":"Y2k6czM6Y3JldA=="}"#, pair("ci", "s3:cret")),
            (r#"{"auth":"Y2k6czM6Y3JldA"}"#, pair("ci", "s3:cret")),
            (r#"{"auth":" Y2k6czM6Y3JldA==\n"}"#, pair("ci", "s3:cret")),
            (r#"{"auth":"Y2k6AAA="}"#, pair("ci", "")),
            (r#"{"username":"ci","password":"p","auth":""}"#, pair("ci", "p")),
            (
                r#"{"username":"no","password":"no","auth":"Y2k6czM6Y3JldA=="}"#,
                pair("ci", "s3:cret"),
            ),
            (
                r#"{"auth":"Y2k6","identitytoken":"t"}"#,
                Some((String::new(), String::new(), Some("t".to_owned()))),
            ),
            // No colon; no Base64; no UTF-8.
            (r#"{"auth":"Y2k="}"#, None),
            (r#"{"auth":"%%%%"}"#, None),
            (r#"{"auth":"/zr/"}"#, None),
        ] {
            assert_eq!(opens(json), expected, "{json}");
        }
    }

    #[test]
    fn an_entry_without_anything_is_a_mark_for_a_helper() {
        for json in ["{}", r#"{"auth":""}"#, r#"{"email":"a@b"}"#, r#"{"auth":null}"#] {
            assert!(!entry(json).is_filled(), "{json}");
        }
        assert!(entry(r#"{"auth":"x"}"#).is_filled());
    }

    #[test]
    fn what_is_not_about_credentials_is_ignored() {
        let config = AuthConfig::parse(
            "x",
            r#"{"HttpHeaders":{"a":"b"},"credsStore":"","auths":{"a.b":null},"detachKeys":1}"#,
        )
        .unwrap();
        assert!(config.store.is_none() && config.auths.is_empty());
        assert!(AuthConfig::parse("x", r#"{"auths":null,"credHelpers":null}"#).is_ok());
    }

    #[test]
    fn an_error_quotes_nothing_of_the_text() {
        for text in [
            r#"{"auths":{"a.b":"s3cret"}}"#,
            r#"{"auths":{"a.b":{"auth":["s3cret"]}}}"#,
            r#"{"auths":"s3cret"}"#,
            "s3cret",
            "",
        ] {
            let error = AuthConfig::parse("here", text).unwrap_err();
            assert!(
                matches!(&error, CredentialError::Malformed { origin, .. } if origin == "here")
            );
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let text = r#"{"auths":{"a.b":{"auth":"Y2k6czM6Y3JldA==","password":"s3cret"}}}"#;
        let shown = format!("{:?}", AuthConfig::parse("x", text).unwrap());
        assert!(!shown.contains("Y2k6") && !shown.contains("s3cret"), "{shown}");
        let credential = Credential::password("a.b", "ci", "s3cret");
        assert!(!format!("{credential:?}").contains("s3cret"));
        assert_eq!(credential.secrets().collect::<Vec<_>>(), ["s3cret"]);
        let credential = Credential::identity_token("a.b", "t0ken");
        assert!(!format!("{credential:?}").contains("t0ken"));
        assert_eq!(credential.secrets().collect::<Vec<_>>(), ["t0ken"]);
    }

    #[test]
    fn the_users_file_is_found_where_docker_has_it() {
        let home = tempfile::tempdir().unwrap();
        let (home, own) = (home.path(), home.path().join("own"));
        let keys = |docker_config: Option<&Path>| {
            read_user_auth_config(docker_config, Some(home))
                .unwrap()
                .map(|config| config.auths.into_keys().collect::<Vec<_>>().join(","))
        };
        assert_eq!(keys(None), None);
        fs::write(home.join(".dockercfg"), r#"{"old":{}}"#).unwrap();
        assert_eq!(keys(None).as_deref(), Some("old"));
        fs::create_dir(home.join(".docker")).unwrap();
        fs::write(home.join(".docker/config.json"), r#"{"auths":{"new":{}}}"#).unwrap();
        assert_eq!(keys(None).as_deref(), Some("new"));
        assert_eq!(keys(Some(Path::new(""))).as_deref(), Some("new"));
        assert_eq!(keys(Some(&own)), None);
        fs::create_dir(&own).unwrap();
        fs::write(own.join("config.json"), r#"{"auths":{"own":{}}}"#).unwrap();
        assert_eq!(keys(Some(&own)).as_deref(), Some("own"));
        assert!(read_user_auth_config(None, None).unwrap().is_none());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_a_missing_one() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join(".docker/config.json")).unwrap();
        let result = read_user_auth_config(None, Some(home.path()));
        assert!(matches!(result, Err(CredentialError::Read { .. })));
    }
}
