//! Requests alone, over plain HTTP, with nothing of ours and no client library for Docker in between;
//! and the least of them that a job with a cache takes.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode, body::Incoming, client::conn::http1, upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::UnixStream, task::JoinHandle};

/// A client that sends bare requests and counts them.
pub(crate) struct Bare {
    socket: PathBuf,
    requests: Cell<u64>,
}

/// One connection of a client, for one request at a time.
pub(super) struct Connection<'a> {
    sender: http1::SendRequest<Full<Bytes>>,
    requests: &'a Cell<u64>,
}

/// What an attachment brings, read to its end by a task of its own.
pub(super) struct Output(JoinHandle<std::io::Result<Vec<u8>>>);

/// The end of a container that was waited for before its start.
pub(super) struct Exit(Response<Incoming>);

impl Bare {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), requests: Cell::new(0) }
    }

    /// How many requests were sent.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Create volume, create container, attach, wait, start, remove.
    pub(crate) async fn job(&self, image: &str, volume: &str, container: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.create_volume(volume).await?;
        let body = json!({
            "Image": image,
            "Cmd": ["sh", "-c", "true"],
            "AttachStdout": true,
            "AttachStderr": true,
            "HostConfig": {
                "Mounts": [{ "Type": "volume", "Source": volume, "Target": "/cache" }],
            },
        });
        let id = connection.create_container(container, &body).await?;
        let output = self.attach(&id).await?;
        let exit = self.wait(&id).await?;
        connection.start(&id).await?;
        let code = exit.code().await?;
        output.all().await?;
        connection.remove(&id).await?;
        ensure!(code == 0, "the bare job ended with {code}");
        Ok(())
    }

    /// Creates volumes, or finds them, one after the other.
    pub(crate) async fn volumes(&self, names: impl Iterator<Item = &str>) -> Result<()> {
        let mut connection = self.connect().await?;
        for name in names {
            connection.create_volume(name).await?;
        }
        Ok(())
    }

    /// Removes a volume.
    pub(crate) async fn remove_volume(&self, volume: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        connection.call("DELETE", &format!("/volumes/{volume}"), None).await.map(drop)
    }

    pub(super) async fn connect(&self) -> Result<Connection<'_>> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its sender; what went wrong shows in the reply that does not come.
        tokio::spawn(connection.with_upgrades());
        Ok(Connection { sender, requests: &self.requests })
    }

    /// Attaches to a container's outputs, and reads them.
    pub(super) async fn attach(&self, id: &str) -> Result<Output> {
        let path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        Ok(Output::read(self.upgrade(&path, None).await?))
    }

    /// Sends what the engine answers with a stream of its own, over a connection of its own.
    pub(super) async fn upgrade(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<TokioIo<Upgraded>> {
        let mut connection = self.connect().await?;
        let reply = connection.send("POST", path, body, true).await?;
        let stream = hyper::upgrade::on(reply).await;
        Ok(TokioIo::new(stream.with_context(|| format!("POST {path}: no stream came"))?))
    }

    /// Registers a waiter for a container's next exit.
    pub(super) async fn wait(&self, id: &str) -> Result<Exit> {
        let mut connection = self.connect().await?;
        let path = format!("/containers/{id}/wait?condition=next-exit");
        // The head comes once the waiter is registered; the body comes with the exit.
        Ok(Exit(connection.send("POST", &path, None, false).await?))
    }
}

impl Output {
    pub(super) fn read(mut stream: TokioIo<Upgraded>) -> Self {
        Self(tokio::spawn(async move {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.map(|_| bytes)
        }))
    }

    /// All of it, the engine's frames included.
    pub(super) async fn all(self) -> Result<Vec<u8>> {
        Ok(self.0.await??)
    }
}

impl Exit {
    pub(super) async fn code(self) -> Result<i64> {
        let body = self.0.into_body().collect().await?.to_bytes();
        let reply: Value = serde_json::from_slice(&body)?;
        reply["StatusCode"].as_i64().context("the engine gave no exit code")
    }
}

impl Connection<'_> {
    pub(super) async fn create_volume(&mut self, name: &str) -> Result<()> {
        self.call("POST", "/volumes/create", Some(&json!({ "Name": name }))).await.map(drop)
    }

    /// Creates a container and returns its id.
    pub(super) async fn create_container(&mut self, name: &str, body: &Value) -> Result<String> {
        let path = format!("/containers/create?name={name}");
        self.call_for_id(&path, body).await
    }

    /// Creates what the reply gives an id of.
    pub(super) async fn call_for_id(&mut self, path: &str, body: &Value) -> Result<String> {
        let created = self.call("POST", path, Some(body)).await?;
        Ok(created["Id"].as_str().context("the engine gave no id")?.to_owned())
    }

    pub(super) async fn start(&mut self, id: &str) -> Result<()> {
        self.call("POST", &format!("/containers/{id}/start"), None).await.map(drop)
    }

    /// Removes a container by force, and its anonymous volumes.
    pub(super) async fn remove(&mut self, id: &str) -> Result<()> {
        self.call("DELETE", &format!("/containers/{id}?force=1&v=1"), None).await.map(drop)
    }

    /// A request and its whole reply, which is no refusal.
    pub(super) async fn call(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        match self.ask(method, path, body).await? {
            (status, reply) if status.is_success() => Ok(reply),
            (status, reply) => bail!("{method} {path}: {status}: {reply}"),
        }
    }

    /// A request, and whatever is replied. What is no JSON comes as null.
    pub(super) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value)> {
        let reply = self.send(method, path, body, false).await?;
        let status = reply.status();
        let body = reply.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn send(
        &mut self,
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
        self.requests.set(self.requests.get() + 1);
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(body.into()))?).await?)
    }
}
