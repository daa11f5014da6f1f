//! The few requests to the engine that the development commands need without the product.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

use super::{
    address::Address,
    connection::{NoResponse, Request, Response, send},
};

const REQUEST_LIMIT: Duration = Duration::from_mins(1);

/// An engine's address, and requests to it.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) address: Address,
}

/// What an engine says of itself.
#[derive(Debug, Clone)]
pub struct Version {
    /// The engine's release.
    pub version: String,
    /// The newest version of the API.
    pub api_version: String,
    /// The operating system of its containers.
    pub os: String,
    /// The processor, as Go names it.
    pub architecture: String,
}

impl Client {
    /// The engine that the environment names.
    ///
    /// # Errors
    /// When it names none.
    pub fn from_environment() -> Result<Self> {
        Ok(Self { address: Address::resolve()? })
    }

    /// The engine at an address such as `unix:///var/run/docker.sock`.
    ///
    /// # Errors
    /// When the address is not valid.
    pub fn at(address: &str) -> Result<Self> {
        Ok(Self { address: Address::parse(address, false)? })
    }

    pub(super) fn version(&self) -> Result<Version, NoResponse> {
        let response = send(&self.address, get("/version".to_owned()), REQUEST_LIMIT)?;
        read_version(&response).map_err(|error| NoResponse { is_absent: false, error })
    }

    pub(crate) fn has_image(&self, image: &str) -> Result<bool> {
        let response = self.send(get(format!("/images/{}/json", escape(image))), REQUEST_LIMIT)?;
        match response.status {
            404 => Ok(false),
            _ => expect_success(&response).map(|()| true),
        }
    }

    /// Pulls an image, all within `limit`.
    pub(crate) fn pull_image(&self, image: &str, limit: Duration) -> Result<()> {
        let (repository, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let target = format!("/images/create?fromImage={}&tag={}", escape(repository), escape(tag));
        self.create_image(Request { method: "POST", ..get(target) }, image, limit)
    }

    /// Makes an image of the root file system in an archive.
    pub(crate) fn import_image(&self, image: &str, archive: Vec<u8>) -> Result<()> {
        // Podman does not combine a repository and a tag that are apart.
        let target = format!("/images/create?fromSrc=-&repo={}", escape(image));
        let import =
            Request { method: "POST", target, content_type: "application/x-tar", body: archive };
        self.create_image(import, image, REQUEST_LIMIT)
    }

    /// The status of the response is sent before the image is made; an error comes in the progress.
    fn create_image(&self, request: Request, image: &str, limit: Duration) -> Result<()> {
        let response = self.send(request, limit)?;
        expect_success(&response)?;
        let progress = String::from_utf8_lossy(&response.body);
        let mut messages =
            progress.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(error) = messages.find_map(|one| message(&one["error"])) {
            return Err(anyhow!(error));
        }
        if !self.has_image(image)? {
            return Err(anyhow!("the engine reported success, and does not have {image}"));
        }
        Ok(())
    }

    /// The ids of all containers.
    pub(super) fn containers(&self) -> Result<Vec<String>> {
        let response = self.send(get("/containers/json?all=true".to_owned()), REQUEST_LIMIT)?;
        expect_success(&response)?;
        let containers: Vec<Value> =
            serde_json::from_slice(&response.body).context("the list of containers")?;
        Ok(containers.iter().filter_map(|container| message(&container["Id"])).collect())
    }

    /// Removes a container and its anonymous volumes; not an error when there is no such container.
    pub(super) fn remove_container(&self, id: &str) -> Result<()> {
        let target = format!("/containers/{}?force=true&v=true", escape(id));
        let response = self.send(Request { method: "DELETE", ..get(target) }, REQUEST_LIMIT)?;
        if response.status == 404 { Ok(()) } else { expect_success(&response) }
    }

    fn send(&self, request: Request, limit: Duration) -> Result<Response> {
        let what = format!("{} {} at {}", request.method, request.target, self.address);
        send(&self.address, request, limit).map_err(|NoResponse { error, .. }| error.context(what))
    }
}

fn get(target: String) -> Request {
    Request { method: "GET", target, content_type: "application/json", body: Vec::new() }
}

fn read_version(response: &Response) -> Result<Version> {
    expect_success(response)?;
    let value: Value =
        serde_json::from_slice(&response.body).context("the engine's version is not JSON")?;
    let text = |key: &str| {
        message(&value[key]).with_context(|| format!("the engine's version has no {key}"))
    };
    Ok(Version {
        version: text("Version")?,
        api_version: text("ApiVersion")?,
        os: text("Os")?,
        architecture: text("Arch")?,
    })
}

fn expect_success(response: &Response) -> Result<()> {
    if (200..300).contains(&response.status) {
        return Ok(());
    }
    let body: Option<Value> = serde_json::from_slice(&response.body).ok();
    let words = body.and_then(|body| message(&body["message"]));
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(&response.body).trim().to_owned());
    Err(anyhow!("the engine responded with status {}: {words}", response.status))
}

fn message(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Escapes what has a meaning in a path or a query. The slashes of an image's name stay: the engine
/// expects them in the path.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn version_is_read_from_the_response() {
        let body = r#"{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
        let version = read_version(&response(200, body)).unwrap();
        assert_eq!((&*version.version, &*version.architecture), ("20.10.24", "amd64"));
        assert!(read_version(&response(200, "{}")).is_err());
        assert!(read_version(&response(200, "<html>")).is_err());
    }

    #[test]
    fn refusal_carries_the_words_of_the_engine() {
        let error = expect_success(&response(500, r#"{"message":"no space"}"#)).unwrap_err();
        assert_eq!(error.to_string(), "the engine responded with status 500: no space");
        let error = expect_success(&response(502, "bad gateway\n")).unwrap_err();
        assert_eq!(error.to_string(), "the engine responded with status 502: bad gateway");
    }

    #[test]
    fn names_cannot_change_the_request() {
        assert_eq!(escape("host:5000/a/b:1.0"), "host:5000/a/b:1.0");
        assert_eq!(escape("a b?c&d#e\r\n%"), "a%20b%3Fc%26d%23e%0D%0A%25");
    }
}
