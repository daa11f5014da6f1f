//! A job of four stages as GitLab Runner's Docker executor runs it: its requests, in its order, as
//! they follow from its source (version 19).

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::bare::{Bare, Connection};

/// What a replayed job uses.
pub(super) struct GitlabJob<'a> {
    pub(super) image: &'a str,
    /// The volumes of `/cache` and `/builds`.
    pub(super) volumes: [&'a str; 2],
    /// How its containers' names begin.
    pub(super) name: &'a str,
}

/// Where the volumes are mounted.
const DESTINATIONS: [&str; 2] = ["/cache", "/builds"];

impl GitlabJob<'_> {
    /// Runs it. Without its own negotiation of a version; and what its stages run is part of their
    /// containers, where GitLab Runner writes it to their standard input.
    pub(super) async fn run(&self, bare: &Bare) -> Result<()> {
        let mut connection = bare.connect().await?;
        for path in ["/info", "/version"] {
            connection.call("GET", path, None).await?;
        }
        self.inspect_image(&mut connection, 1).await?;
        for volume in self.volumes {
            connection.create_volume(volume).await?;
            self.open_volume(&mut connection, volume).await?;
        }
        self.inspect_image(&mut connection, 4).await?;
        let helper = self.create(&mut connection, "helper", "true").await?;
        let helper = Stage { container: &helper, is_build: false };
        helper.run(bare, &mut connection).await?;
        helper.inspect(&mut connection).await?;
        helper.run(bare, &mut connection).await?;
        self.inspect_image(&mut connection, 1).await?;
        let build = self.create(&mut connection, "build", "touch /cache/x").await?;
        let build = Stage { container: &build, is_build: true };
        build.run(bare, &mut connection).await?;
        helper.inspect(&mut connection).await?;
        helper.run(bare, &mut connection).await?;
        // It removes its containers at once.
        let mut other = bare.connect().await?;
        let (one, two) = futures_util::future::join(
            remove(&mut connection, helper.container),
            remove(&mut other, build.container),
        )
        .await;
        one.and(two)
    }

    async fn inspect_image(&self, connection: &mut Connection<'_>, times: u32) -> Result<()> {
        for _ in 0..times {
            connection.call("GET", &format!("/images/{}/json", self.image), None).await?;
        }
        Ok(())
    }

    /// Every volume is made writable by a container of its own, each time.
    async fn open_volume(&self, connection: &mut Connection<'_>, volume: &str) -> Result<()> {
        let body = json!({
            "Image": self.image,
            "Cmd": ["chmod", "777", "/volume"],
            "HostConfig": { "Binds": [format!("{volume}:/volume")] },
        });
        let id = connection.create_container(&format!("{volume}-permission"), &body).await?;
        connection.start(&id).await?;
        wait(connection, &id).await?;
        connection.remove(&id).await
    }

    /// Clears up what an earlier job may have left under the name, creates a container, looks at it.
    async fn create(
        &self,
        connection: &mut Connection<'_>,
        kind: &str,
        script: &str,
    ) -> Result<String> {
        networks(connection).await?;
        let name = format!("{}-{kind}", self.name);
        tolerant(connection, "DELETE", &format!("/containers/{name}?force=1&v=1"), 404).await?;
        let binds = self.volumes.iter().zip(DESTINATIONS);
        let binds: Vec<_> = binds.map(|(volume, place)| format!("{volume}:{place}")).collect();
        let body = json!({
            "Image": self.image,
            "Cmd": ["sh", "-c", script],
            "AttachStdout": true,
            "AttachStderr": true,
            "HostConfig": { "Binds": binds },
        });
        let id = connection.create_container(&name, &body).await?;
        connection.call("GET", &format!("/containers/{id}/json"), None).await?;
        Ok(id)
    }
}

/// A container that is started once a stage.
struct Stage<'a> {
    container: &'a str,
    is_build: bool,
}

impl Stage<'_> {
    async fn inspect(&self, connection: &mut Connection<'_>) -> Result<Value> {
        connection.call("GET", &format!("/containers/{}/json", self.container), None).await
    }

    async fn run(&self, bare: &Bare, connection: &mut Connection<'_>) -> Result<()> {
        let id = self.container;
        let output = bare.attach(id).await?;
        connection.start(id).await?;
        wait(connection, id).await?;
        output.all().await?;
        // It has stopped; that is asked for all the same.
        tolerant(connection, "POST", &format!("/containers/{id}/stop"), 304).await?;
        if self.is_build {
            // For a terminal that somebody might open.
            let body = json!({ "Cmd": ["true"] });
            let (status, _) =
                connection.ask("POST", &format!("/containers/{id}/exec"), Some(&body)).await?;
            ensure!(status.is_success() || status == 409, "exec: {status}");
        }
        Ok(())
    }
}

async fn wait(connection: &mut Connection<'_>, id: &str) -> Result<()> {
    let reply = connection.call("POST", &format!("/containers/{id}/wait"), None).await?;
    let code = reply["StatusCode"].as_i64().context("the engine gave no exit code")?;
    ensure!(code == 0, "a container of the replayed job ended with {code}");
    Ok(())
}

/// Looks at every network, for one that the container might be in.
async fn networks(connection: &mut Connection<'_>) -> Result<()> {
    let found = connection.call("GET", "/networks", None).await?;
    for network in found.as_array().context("the engine gave no list of networks")? {
        let id = network["Id"].as_str().context("the engine gave no id")?;
        // One that somebody removes meanwhile is none of ours.
        tolerant(connection, "GET", &format!("/networks/{id}"), 404).await?;
    }
    Ok(())
}

async fn remove(connection: &mut Connection<'_>, id: &str) -> Result<()> {
    networks(connection).await?;
    connection.remove(id).await
}

/// A request that may also be answered with `other`.
async fn tolerant(
    connection: &mut Connection<'_>,
    method: &str,
    path: &str,
    other: u16,
) -> Result<()> {
    match connection.ask(method, path, None).await? {
        (status, _) if status.is_success() || status == other => Ok(()),
        (status, reply) => bail!("{method} {path}: {status}: {reply}"),
    }
}
