//! Images that tests make of the suite's own.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use crate::project::{docker, image};

/// An image that goes when the test ends.
pub(crate) struct Made(pub(crate) String);

impl Made {
    /// The suite's image with changes, as lines of a Dockerfile, by a container of it in which
    /// `script` ran.
    pub(crate) fn changed(name: &str, script: &str, change: &str) -> Self {
        let container = format!("{name}-source");
        docker(&["run", "--name", &container, "--entrypoint", "sh", &image(), "-c", script]);
        let made = Self(format!("{name}:local"));
        // Podman refuses the `commit` of the docker program, which sends no settings.
        let script =
            format!("docker export {container} | docker import --change '{change}' - {}", made.0);
        let imported = Command::new("sh").args(["-ec", &script]).output().unwrap();
        docker(&["rm", "--force", &container]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        made
    }

    /// An image whose only file is a static program, `/busybox`.
    pub(crate) fn without_shell(name: &str) -> Self {
        let container = format!("{name}-source");
        docker(&["create", "--name", &container, &image(), "sh"]);
        let script = format!(
            "docker cp -L {container}:/bin/busybox - | tar -xO | \
             (d=$(mktemp -d) && cat >$d/busybox && chmod 755 $d/busybox && tar -C $d -c busybox; rm -r $d)"
        );
        let archive = Command::new("sh").args(["-ec", &script]).output().unwrap();
        docker(&["rm", "--force", &container]);
        assert!(archive.stdout.len() > 100_000, "{}", String::from_utf8_lossy(&archive.stderr));
        let made = Self(format!("{name}:local"));
        let mut import = Command::new("docker")
            .args(["import", "-", &made.0])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        import.stdin.take().unwrap().write_all(&archive.stdout).unwrap();
        assert!(import.wait().unwrap().success());
        made
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).output();
    }
}
