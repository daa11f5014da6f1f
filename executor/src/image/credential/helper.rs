//! Credential helpers: programs that keep credentials, by Docker's protocol.
//!
//! `docker-credential-NAME get` reads a registry from its input and answers with JSON.

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use super::{Credential, CredentialError};

/// What a helper says when it has nothing: the one sentence that Docker's protocol fixes.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// How much of an answer is read. Tokens of cloud providers have a few kilobytes.
const LONGEST_REPLY: u64 = 256 * 1024;

/// Runs credential helpers, with this process's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct CredentialHelpers {
    /// Where their programs are; `None` is where `PATH` leads.
    pub(crate) folder: Option<PathBuf>,
    /// How long one may take before it is killed. Default: 30 s.
    pub(crate) limit: Duration,
}

impl Default for CredentialHelpers {
    fn default() -> Self {
        Self { folder: None, limit: Duration::from_secs(30) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    username: String,
    secret: String,
}

impl CredentialHelpers {
    /// Asks a helper, by the name that [`Lookup::Helper`](super::Lookup::Helper) has checked, for
    /// `server`. What it answers is a credential for `registry`, whatever server it names. `None`
    /// when it has none.
    ///
    /// Dropping the future kills the helper. Needs a Tokio runtime with I/O.
    ///
    /// # Errors
    /// The variants of [`CredentialError`] that begin with `Helper`.
    pub(crate) async fn get(
        &self,
        name: &str,
        server: &str,
        registry: &str,
    ) -> Result<Option<Credential>, CredentialError> {
        if !is_helper_name(name) {
            let origin = "the request".to_owned();
            return Err(CredentialError::HelperName { origin, name: name.to_owned() });
        }
        let (succeeded, reply) = match timeout(self.limit, self.run(name, server)).await {
            Err(_) => {
                let (name, limit) = (name.to_owned(), self.limit);
                return Err(CredentialError::HelperTimeout { name, limit });
            }
            Ok(Err(source)) => {
                return Err(CredentialError::HelperStart { name: name.to_owned(), source });
            }
            Ok(Ok(ended)) => ended,
        };
        if succeeded {
            return match serde_json::from_slice(&reply) {
                Ok(reply) => Ok(credential(reply, registry)),
                Err(_) => Err(CredentialError::HelperReply { name: name.to_owned() }),
            };
        }
        let words = String::from_utf8_lossy(&reply);
        if words.contains(NOT_FOUND) {
            return Ok(None);
        }
        Err(CredentialError::HelperFailed {
            name: name.to_owned(),
            server: server.to_owned(),
            message: first_line(&words),
        })
    }

    /// Whether it succeeded, and its output.
    async fn run(&self, name: &str, server: &str) -> io::Result<(bool, Vec<u8>)> {
        let program = format!("docker-credential-{name}");
        let program = match &self.folder {
            Some(folder) => folder.join(program),
            None => PathBuf::from(program),
        };
        let mut child = Command::new(program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Helpers write their errors to their output; what else they print is for terminals.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let tell = async {
            if let Some(mut input) = input {
                match input.write_all(server.as_bytes()).await {
                    // It need not read what it does not need.
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        };
        let hear = async {
            let mut reply = Vec::new();
            if let Some(output) = output {
                output.take(LONGEST_REPLY).read_to_end(&mut reply).await?;
            }
            Ok(reply)
        };
        let ((), reply) = tokio::try_join!(tell, hear)?;
        Ok((child.wait().await?.success(), reply))
    }
}

/// The credential in an answer. `<token>` for a user is the protocol's word for an identity token;
/// an answer without user and secret is one that says no.
fn credential(reply: Reply, registry: &str) -> Option<Credential> {
    match reply {
        Reply { username, secret } if username.is_empty() && secret.is_empty() => None,
        Reply { username, secret } if username == "<token>" => {
            Some(Credential::identity_token(registry, secret))
        }
        Reply { username, secret } => Some(Credential::password(registry, username, secret)),
    }
}

/// The name is part of a program's: a slash in it would run another one.
pub(super) fn is_helper_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Words for a person. An answer that looks like a credential is not repeated.
fn first_line(words: &str) -> String {
    let line = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.is_empty() || words.contains('{') {
        return "it gave no reason".to_owned();
    }
    line.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use super::*;

    /// The helpers of this folder. They are files of the repository: a program that a test has just
    /// written may still be open for writing in the child of another test.
    fn helpers() -> CredentialHelpers {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helpers");
        CredentialHelpers { folder: Some(folder), ..CredentialHelpers::default() }
    }

    async fn asked(server: &str) -> Result<Option<Credential>, CredentialError> {
        helpers().get("fixture", server, "registry.example").await
    }

    #[tokio::test]
    async fn a_helpers_answer_is_for_the_registry_that_was_asked_about() {
        let credential = asked("ok.example").await.unwrap();
        assert_eq!(credential, Some(Credential::password("registry.example", "ci", "s3cret")));
        let credential = asked("token.example").await.unwrap();
        assert_eq!(credential, Some(Credential::identity_token("registry.example", "t0ken")));
    }

    #[tokio::test]
    async fn a_helper_that_has_nothing_is_no_error() {
        assert_eq!(asked("absent.example").await.unwrap(), None);
        assert_eq!(asked("empty.example").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_helper_that_fails_is_an_error_with_its_words_and_no_secret() {
        for (server, words) in [
            ("failing.example", "no keychain"),
            ("leaking.example", "it gave no reason"),
            ("silent.example", "it gave no reason"),
        ] {
            let error = asked(server).await.unwrap_err();
            assert!(
                matches!(&error, CredentialError::HelperFailed { message, .. } if message == words),
                "{error:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_none_is_an_error_and_not_repeated() {
        for server in ["nonsense.example", "endless.example"] {
            let error = asked(server).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    CredentialError::HelperReply { .. } | CredentialError::HelperFailed { .. }
                ),
                "{error:?}"
            );
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[tokio::test]
    async fn a_helper_need_not_read_what_it_is_asked_for() {
        // More than a pipe holds.
        let server = "x".repeat(200_000);
        assert!(helpers().get("deaf", &server, "a.b").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_cannot_be_run() {
        let error = helpers().get("absent", "a.b", "a.b").await.unwrap_err();
        assert!(matches!(error, CredentialError::HelperStart { source, .. }
            if source.kind() == io::ErrorKind::NotFound));
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_is_never_run() {
        for name in ["", "../fixture", "x/../fixture", "a b", "a\0b"] {
            let error = helpers().get(name, "ok.example", "a.b").await.unwrap_err();
            assert!(matches!(error, CredentialError::HelperName { .. }), "{name}");
        }
    }

    #[tokio::test]
    async fn a_helper_that_does_not_answer_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("process");
        let server = format!("slow.example{}", note.display());
        let mut process = String::new();
        // It must have come to its note before it is killed, which takes a busy machine longer.
        for limit in [1500, 8000, 30_000].map(Duration::from_millis) {
            let helpers = CredentialHelpers { limit, ..helpers() };
            let error = helpers.get("fixture", &server, "a.b").await.unwrap_err();
            assert!(matches!(error, CredentialError::HelperTimeout { .. }), "{error:?}");
            process = std::fs::read_to_string(&note).unwrap_or_default();
            if !process.is_empty() {
                break;
            }
        }
        assert!(!process.is_empty(), "it never came to its note");
        for _ in 0..6000 {
            let mut look = Command::new("kill");
            look.args(["-0", process.trim()]).stderr(Stdio::null());
            if !look.status().await.unwrap().success() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("process {process} is still there");
    }
}
