//! Whose engine the tests run on, for what is known to differ: docs/podman.md says why.

use std::{process::Command, sync::OnceLock};

/// Whose engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineKind {
    Docker,
    Podman,
}

/// What the engine says of its parts. Asked once in a test program: Podman takes seconds to answer.
pub(crate) fn engine_kind() -> EngineKind {
    static KIND: OnceLock<EngineKind> = OnceLock::new();
    *KIND.get_or_init(|| {
        let names = "{{range .Server.Components}}{{.Name}};{{end}}";
        let output = Command::new("docker").args(["version", "--format", names]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        if names.split(';').any(|name| name.trim() == "Podman Engine") {
            EngineKind::Podman
        } else {
            EngineKind::Docker
        }
    })
}
