//! A job of four stages in containers that idle, each stage a program of its own in one of them: the
//! other way to run several scripts in one container.

use anyhow::{Result, ensure};
use futures_util::future::{join, try_join};
use serde_json::{Value, json};

use super::bare::{Bare, Connection, Output};

/// What such a job uses.
pub(super) struct ExecJob<'a> {
    pub(super) image: &'a str,
    /// The volumes of `/cache` and `/builds`.
    pub(super) volumes: [&'a str; 2],
    /// How its containers' names begin.
    pub(super) name: &'a str,
}

impl ExecJob<'_> {
    /// Runs it. But for the stages it asks for what the executor asks for, and as much at once.
    pub(super) async fn run(&self, bare: &Bare) -> Result<()> {
        let (mut one, mut two) = try_join(bare.connect(), bare.connect()).await?;
        one.call("GET", "/version", None).await?;
        let [cache, builds] = self.volumes;
        try_join(one.create_volume(cache), two.create_volume(builds)).await?;
        let (helper, build) =
            try_join(self.create(&mut one, "helper"), self.create(&mut two, "build")).await?;
        let done = async {
            try_join(look(&mut one, &helper, "/cache"), look(&mut two, &helper, "/builds")).await?;
            try_join(one.start(&helper), two.start(&build)).await?;
            stage(bare, &mut one, &helper, "true").await?;
            stage(bare, &mut one, &helper, "true").await?;
            stage(bare, &mut one, &build, "touch /cache/x").await?;
            stage(bare, &mut one, &helper, "true").await
        }
        .await;
        let removed = join(one.remove(&helper), two.remove(&build)).await;
        done.and(removed.0).and(removed.1)
    }

    async fn create(&self, connection: &mut Connection<'_>, kind: &str) -> Result<String> {
        let [cache, builds] = self.volumes;
        let body = json!({
            "Image": self.image,
            "Entrypoint": ["sleep"],
            "Cmd": ["3600"],
            "HostConfig": {
                "Init": true,
                "LogConfig": { "Type": "none" },
                "PidsLimit": 4096,
                "SecurityOpt": ["no-new-privileges"],
                "Mounts": [
                    { "Type": "volume", "Source": cache, "Target": "/cache" },
                    { "Type": "volume", "Source": builds, "Target": "/builds" },
                ],
            },
        });
        connection.create_container(&format!("{}-{kind}", self.name), &body).await
    }
}

/// Looks at a folder in a container.
pub(super) async fn look(connection: &mut Connection<'_>, id: &str, path: &str) -> Result<()> {
    let (status, _) =
        connection.ask("HEAD", &format!("/containers/{id}/archive?path={path}"), None).await?;
    ensure!(status.is_success(), "{path} cannot be looked at: {status}");
    Ok(())
}

/// Create, start and read, inspect.
async fn stage(
    bare: &Bare,
    connection: &mut Connection<'_>,
    container: &str,
    script: &str,
) -> Result<()> {
    let body = json!({
        "Cmd": ["sh", "-c", script],
        "AttachStdout": true,
        "AttachStderr": true,
    });
    let id = connection.call_for_id(&format!("/containers/{container}/exec"), &body).await?;
    let attached = json!({ "Detach": false, "Tty": false });
    let output = bare.upgrade(&format!("/exec/{id}/start"), Some(&attached)).await?;
    Output::read(output).all().await?;
    let state: Value = connection.call("GET", &format!("/exec/{id}/json"), None).await?;
    ensure!(state["ExitCode"] == 0, "a stage ended with {}", state["ExitCode"]);
    Ok(())
}
