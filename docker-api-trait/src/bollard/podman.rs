//! Where Podman listens, when it is asked for by name.
//!
//! Its service is started by a socket of systemd's: the system's, or a user's own. `CONTAINER_HOST`
//! is what Podman's own client reads.

use std::{
    fs,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

/// The word that asks for it.
pub(super) const HOST: &str = "podman";
/// Where root's listens.
pub(super) const SYSTEM_SOCKET: &str = "/run/podman/podman.sock";
const IN_RUNTIME_FOLDER: &str = "podman/podman.sock";

/// Returns the first socket that is there: the user's, in the directory `runtime`, or `system`.
///
/// # Errors
/// The paths that were tried, in this order, when there is a socket at none of them.
pub(super) fn find_socket(runtime: Option<&Path>, system: &Path) -> Result<PathBuf, Vec<PathBuf>> {
    // The user's own first: it needs no rights that a user lacks.
    let own = runtime.filter(|folder| folder.is_absolute());
    let candidates: Vec<PathBuf> = own
        .map(|folder| folder.join(IN_RUNTIME_FOLDER))
        .into_iter()
        .chain([system.into()])
        .collect();
    match candidates.iter().find(|path| is_socket(path)) {
        Some(path) => Ok(path.clone()),
        None => Err(candidates),
    }
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// `/a or /b`
pub(super) fn one_of(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::bollard::{Endpoint, EndpointError, EndpointSources};

    /// Two places for sockets, and the environment that names the first.
    struct Machine {
        folder: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("own/podman")).unwrap();
            Self { folder }
        }

        fn own(&self) -> PathBuf {
            self.folder.path().join("own").join(IN_RUNTIME_FOLDER)
        }

        fn system(&self) -> PathBuf {
            self.folder.path().join("system.sock")
        }

        fn found(&self, more: &[(&str, &str)]) -> Result<Endpoint, EndpointError> {
            let own = self.folder.path().join("own");
            let environment = [("XDG_RUNTIME_DIR", own.to_str().unwrap())]
                .iter()
                .chain(more)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            Endpoint::of_podman(&EndpointSources { host: None, environment }, &self.system())
        }
    }

    #[test]
    fn the_users_socket_goes_before_the_systems_and_the_variable_before_both() {
        let machine = Machine::new();
        let _system = UnixListener::bind(machine.system()).unwrap();
        assert_eq!(machine.found(&[]).unwrap(), Endpoint::Unix(machine.system()));
        let _own = UnixListener::bind(machine.own()).unwrap();
        assert_eq!(machine.found(&[]).unwrap(), Endpoint::Unix(machine.own()));
        let elsewhere = Endpoint::Unix("/x.sock".into());
        assert_eq!(machine.found(&[("CONTAINER_HOST", "unix:///x.sock")]).unwrap(), elsewhere);
        let none = [("CONTAINER_HOST", ""), ("XDG_RUNTIME_DIR", "")];
        assert_eq!(machine.found(&none).unwrap(), Endpoint::Unix(machine.system()));
    }

    #[test]
    fn a_file_is_no_socket_and_what_was_looked_at_is_said() {
        let machine = Machine::new();
        fs::write(machine.own(), "").unwrap();
        let error = machine.found(&[]).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("podman.socket")));
        let EndpointError::PodmanAbsent { looked_at } = error else { panic!("{error:?}") };
        assert_eq!(looked_at, [machine.own(), machine.system()]);
    }

    #[test]
    fn an_address_that_cannot_be_used_is_an_error_and_no_socket_is_tried() {
        let machine = Machine::new();
        let _system = UnixListener::bind(machine.system()).unwrap();
        let error = machine.found(&[("CONTAINER_HOST", "ssh://root@host/run/podman.sock")]);
        assert!(matches!(error, Err(EndpointError::Scheme { .. })), "{error:?}");
    }

    #[test]
    fn the_word_is_podmans_place_only_when_it_is_given_for_this_run() {
        let environment = [("CONTAINER_HOST", "unix:///p.sock"), ("DOCKER_HOST", "podman")];
        let environment =
            environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut sources = EndpointSources { host: Some(HOST.to_owned()), environment };
        assert_eq!(Endpoint::resolve(&sources).unwrap(), Endpoint::Unix("/p.sock".into()));
        sources.host = None;
        let named = Endpoint::Tcp("podman:2375".to_owned());
        assert_eq!(Endpoint::resolve(&sources).unwrap(), named);
    }
}
