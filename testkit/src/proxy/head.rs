//! Heads of requests and replies, read but never written anew: what is forwarded are the bytes that came.

use bytes::Bytes;

use super::framing::Framing;

/// More fields than any client or engine sends.
const FIELDS: usize = 128;

/// A request, as it arrived. Numbers begin with 0 and count heads in the order in which they arrived
/// whole, whatever the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// Its number among all.
    pub number: usize,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// The head's bytes: request line, fields and the empty line.
    pub head: Bytes,
}

impl WireRequest {
    /// The path without its query and without the API's version: `/containers/json` of
    /// `/v1.41/containers/json?all=1`.
    pub fn path(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        let version = path.strip_prefix("/v").and_then(|rest| {
            let (version, rest) = rest.split_once('/')?;
            let digits = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            (digits && !version.is_empty()).then_some(&path[path.len() - rest.len() - 1..])
        });
        version.unwrap_or(path)
    }

    /// The query, when there is one.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }
}

/// What cannot be read as a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a head of HTTP/1.1")]
pub(super) struct BadHead;

/// Reads a request's head; the number is the caller's to give.
pub(super) fn request(head: Bytes) -> Result<(WireRequest, Framing), BadHead> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    if !parsed.parse(&head).map_err(|_| BadHead)?.is_complete() {
        return Err(BadHead);
    }
    let framing = Framing::of(parsed.headers, Framing::NOTHING);
    let method = parsed.method.unwrap_or_default().to_owned();
    let target = parsed.path.unwrap_or_default().to_owned();
    Ok((WireRequest { number: 0, method, target, head }, framing))
}

/// What a reply's head says of what follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another head: this one was only informational.
    Head,
    /// A body.
    Body(Framing),
    /// Bytes in both directions until the connection ends.
    Tunnel,
}

/// Reads the head of a reply to a request of `method`.
pub(super) fn reply(head: &[u8], method: &str) -> Result<After, BadHead> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    if !parsed.parse(head).map_err(|_| BadHead)?.is_complete() {
        return Err(BadHead);
    }
    Ok(match parsed.code.unwrap_or_default() {
        101 => After::Tunnel,
        100..200 => After::Head,
        204 | 304 => After::Body(Framing::NOTHING),
        _ if method == "HEAD" => After::Body(Framing::NOTHING),
        _ => match Framing::of(parsed.headers, Framing::UntilEnd) {
            // An attach that was not asked to upgrade answers so, and its input goes on.
            Framing::UntilEnd => After::Tunnel,
            framing => After::Body(framing),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> (WireRequest, Framing) {
        request(Bytes::copy_from_slice(head.as_bytes())).unwrap()
    }

    #[test]
    fn a_path_is_without_version_and_query() {
        for (target, path, query) in [
            ("/v1.41/containers/json?all=1", "/containers/json", Some("all=1")),
            ("/volumes/v1", "/volumes/v1", None),
            ("/volumes/create", "/volumes/create", None),
            ("/v1.41", "/v1.41", None),
            ("/v/x", "/v/x", None),
            ("/_ping", "/_ping", None),
        ] {
            let (request, _) = read(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert_eq!((request.path(), request.query()), (path, query), "{target}");
            assert_eq!(request.target, target);
        }
    }

    #[test]
    fn a_request_without_a_length_has_no_body() {
        assert_eq!(read("POST /x HTTP/1.1\r\n\r\n").1, Framing::NOTHING);
        assert_eq!(read("POST /x HTTP/1.1\r\ncontent-length: 7\r\n\r\n").1, Framing::Length(7));
        let chunked = read("PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").1;
        assert_eq!(chunked, Framing::chunked());
    }

    #[test]
    fn a_reply_says_what_follows() {
        for (method, head, after) in [
            ("POST", "101 UPGRADED\r\nUpgrade: tcp", After::Tunnel),
            ("POST", "100 Continue", After::Head),
            ("POST", "204 No Content", After::Body(Framing::NOTHING)),
            ("HEAD", "200 OK\r\nContent-Length: 9", After::Body(Framing::NOTHING)),
            ("GET", "200 OK\r\nContent-Length: 9", After::Body(Framing::Length(9))),
            ("GET", "200 OK\r\nTransfer-Encoding: chunked", After::Body(Framing::chunked())),
            ("POST", "200 OK\r\nContent-Type: raw-stream", After::Tunnel),
        ] {
            let bytes = format!("HTTP/1.1 {head}\r\n\r\n");
            assert_eq!(reply(bytes.as_bytes(), method).unwrap(), after, "{head}");
        }
        assert_eq!(reply(b"SSH-2.0\r\n\r\n", "GET"), Err(BadHead));
    }
}
