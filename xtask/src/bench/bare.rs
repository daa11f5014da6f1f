//! The least that a job with a cache takes: the requests alone, over plain HTTP, with nothing of
//! ours and no client library for Docker in between.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

/// A client that sends the bare sequence.
pub(crate) struct Bare {
    socket: PathBuf,
    requests: u64,
}

type Sender = http1::SendRequest<Full<Bytes>>;

impl Bare {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), requests: 0 }
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Create volume, create container, attach, wait, start, remove.
    pub(crate) async fn job(&mut self, image: &str, volume: &str, container: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        let body = json!({ "Name": volume });
        self.call(&mut connection, "POST", "/volumes/create", Some(&body)).await?;
        let body = json!({
            "Image": image,
            "Cmd": ["sh", "-c", "true"],
            "AttachStdout": true,
            "AttachStderr": true,
            "HostConfig": {
                "Mounts": [{ "Type": "volume", "Source": volume, "Target": "/cache" }],
            },
        });
        let path = format!("/containers/create?name={container}");
        let created = self.call(&mut connection, "POST", &path, Some(&body)).await?;
        let id = created["Id"].as_str().context("the engine gave no id")?.to_owned();

        let attach = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        let mut attached = self.connect().await?;
        let reply = self.send(&mut attached, "POST", &attach, None, true).await?;
        let output = hyper::upgrade::on(reply).await.context("attaching was refused")?;
        let output = tokio::spawn(async move {
            let mut bytes = Vec::new();
            TokioIo::new(output).read_to_end(&mut bytes).await.map(|_| bytes)
        });
        let mut waiting = self.connect().await?;
        let wait = format!("/containers/{id}/wait?condition=next-exit");
        // The head comes once the waiter is registered; the body comes with the exit.
        let exit = self.send(&mut waiting, "POST", &wait, None, false).await?;
        self.call(&mut connection, "POST", &format!("/containers/{id}/start"), None).await?;
        let exit: Value = serde_json::from_slice(&exit.into_body().collect().await?.to_bytes())?;
        output.await??;
        let path = format!("/containers/{id}?force=1&v=1");
        self.call(&mut connection, "DELETE", &path, None).await?;
        if exit["StatusCode"] != 0 {
            bail!("the bare job ended with {}", exit["StatusCode"]);
        }
        Ok(())
    }

    /// Creates volumes, or finds them, one after the other.
    pub(crate) async fn volumes(&mut self, names: impl Iterator<Item = &str>) -> Result<()> {
        let mut connection = self.connect().await?;
        for name in names {
            let body = json!({ "Name": name });
            self.call(&mut connection, "POST", "/volumes/create", Some(&body)).await?;
        }
        Ok(())
    }

    /// Removes a volume.
    pub(crate) async fn remove_volume(&mut self, volume: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        self.call(&mut connection, "DELETE", &format!("/volumes/{volume}"), None).await.map(drop)
    }

    async fn connect(&self) -> Result<Sender> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its sender; what went wrong shows in the reply that does not come.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    async fn send(
        &mut self,
        connection: &mut Sender,
        method: &str,
        path: &str,
        body: Option<&Value>,
        upgrade: bool,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "docker")
            .header("Content-Type", "application/json");
        if upgrade {
            request = request.header("Connection", "Upgrade").header("Upgrade", "tcp");
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.requests += 1;
        connection.ready().await?;
        Ok(connection.send_request(request.body(Full::new(body.into()))?).await?)
    }

    /// A request and its whole reply.
    async fn call(
        &mut self,
        connection: &mut Sender,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let reply = self.send(connection, method, path, body, false).await?;
        let status = reply.status();
        let body = reply.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{method} {path}: {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
