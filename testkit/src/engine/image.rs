//! Images from one engine to another.

use std::path::Path;

use bytes::Bytes;
use docker_api_trait::ImageReference;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::EngineError;

fn broken(error: hyper::Error) -> EngineError {
    EngineError::System { action: "talk to an engine", source: std::io::Error::other(error) }
}

async fn request(
    socket: &Path,
    method: Method,
    target: &str,
    body: Bytes,
) -> Result<Bytes, EngineError> {
    let stream =
        UnixStream::connect(socket).await.map_err(EngineError::system("reach an engine"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with the sender.
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", "engine")
        .header("content-type", "application/x-tar")
        .body(Full::new(body))
        .expect("the parts of the request are valid");
    let reply = sender.send_request(request).await.map_err(broken)?;
    let status = reply.status();
    let body = reply.into_body().collect().await.map_err(broken)?.to_bytes();
    connection.abort();
    let words = || String::from_utf8_lossy(&body[..body.len().min(1024)]).trim().to_owned();
    // A load that fails in its middle has answered with a success.
    if !status.is_success() || body.starts_with(b"{\"error") {
        return Err(EngineError::Image { status: status.as_u16(), message: words() });
    }
    Ok(body)
}

/// An image with its layers, as an archive.
pub(super) async fn save(socket: &Path, image: &ImageReference) -> Result<Bytes, EngineError> {
    request(socket, Method::GET, &format!("/images/{image}/get"), Bytes::new()).await
}

/// Takes images from such an archive.
pub(super) async fn load(socket: &Path, archive: Bytes) -> Result<(), EngineError> {
    request(socket, Method::POST, "/images/load?quiet=1", archive).await.map(drop)
}
