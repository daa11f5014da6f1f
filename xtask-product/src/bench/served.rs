//! A job with a service and a cache, as bare requests: those that the executor sends, and as much at
//! once.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::{join, try_join, try_join3};
use serde_json::{Value, json};
use tokio::time::sleep;
use volume_manager::label;

use super::{
    bare::{Bare, Connection},
    exec::look,
};

/// The service's program, a web server.
pub(super) const SERVICE: [&str; 6] = ["httpd", "-f", "-p", "8080", "-h", "/etc"];
/// The name that the job finds it by.
pub(super) const ALIAS: &str = "web";
/// What the job runs: it asks the service, which may take a moment until it listens, and writes into
/// its cache.
pub(super) const SCRIPT: &str = "until wget -q -O /cache/answer http://web:8080/hostname\n\
                                 do sleep 0.1\ndone\ntest -s /cache/answer";
/// Between two attempts to remove a network that a container is just leaving.
const PAUSE: Duration = Duration::from_millis(100);

/// What such a job uses.
pub(super) struct ServedJob<'a> {
    pub(super) image: &'a str,
    /// Labels all that it makes.
    pub(super) owner: &'a str,
    pub(super) volume: &'a str,
    /// How the names of its containers begin, and its network's name.
    pub(super) name: &'a str,
}

impl ServedJob<'_> {
    /// Runs it.
    pub(super) async fn run(&self, bare: &Bare) -> Result<()> {
        let (mut one, mut two) = try_join(bare.connect(), bare.connect()).await?;
        one.call("GET", "/version", None).await?;
        let labels = json!({ label::OWNER: self.owner, label::KIND: "cache" });
        let volume = json!({ "Name": self.volume, "Labels": labels });
        let labels = json!({ label::OWNER: self.owner });
        let network = json!({ "Name": self.name, "CheckDuplicate": true, "Labels": labels });
        let (_, network) = try_join(
            one.call("POST", "/volumes/create", Some(&volume)),
            two.call_for_id("/networks/create", &network),
        )
        .await?;
        let (service, build) = try_join(
            self.create(&mut one, "service", &SERVICE, false, &[ALIAS]),
            self.create(&mut two, "build", &["sh", "-c", SCRIPT], true, &["build"]),
        )
        .await?;
        let attached = try_join(bare.attach(&build), bare.wait(&build));
        let (log, (output, exit), ()) =
            try_join3(bare.attach(&service), attached, look(&mut one, &build, "/cache")).await?;
        try_join(one.start(&build), two.start(&service)).await?;
        let details = one.call("GET", &format!("/containers/{service}/json"), None).await?;
        let image = details["Image"].as_str().context("the engine gave no image")?;
        one.call("GET", &format!("/images/{image}/json"), None).await?;
        output.all().await?;
        let code = exit.code().await?;
        let removed = join(one.remove(&build), two.remove(&service)).await;
        removed.0.and(removed.1)?;
        log.all().await?;
        remove_network(&mut one, &network).await?;
        ensure!(code == 0, "the bare job ended with {code}");
        Ok(())
    }

    async fn create(
        &self,
        connection: &mut Connection<'_>,
        kind: &str,
        program: &[&str],
        init: bool,
        aliases: &[&str],
    ) -> Result<String> {
        let endpoints: Value = json!({ self.name: { "Aliases": aliases } });
        let body = json!({
            "Image": self.image,
            "Entrypoint": program[..1],
            "Cmd": program[1..],
            "Labels": { label::OWNER: self.owner },
            "HostConfig": {
                "Init": init,
                "LogConfig": { "Type": "none" },
                "PidsLimit": 4096,
                "SecurityOpt": ["no-new-privileges"],
                "NetworkMode": self.name,
                "Mounts": [{ "Type": "volume", "Source": self.volume, "Target": "/cache" }],
            },
            "NetworkingConfig": { "EndpointsConfig": endpoints },
        });
        connection.create_container(&format!("{}-{kind}", self.name), &body).await
    }
}

async fn remove_network(connection: &mut Connection<'_>, id: &str) -> Result<()> {
    loop {
        match connection.ask("DELETE", &format!("/networks/{id}"), None).await? {
            (status, _) if status.is_success() => return Ok(()),
            (status, _) if status == 403 || status == 409 => sleep(PAUSE).await,
            (status, reply) => bail!("DELETE /networks/{id}: {status}: {reply}"),
        }
    }
}
