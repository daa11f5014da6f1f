//! Replies that no engine gave: plain ones, and ones that break the protocol. Bytes only.

use bytes::Bytes;

/// A whole reply, as bytes. The connection ends after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(super) bytes: Bytes,
    /// A byte that follows so often, for a body that is too large to be held.
    pub(super) filling: Option<(u8, usize)>,
}

impl Reply {
    /// These bytes and nothing else.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), filling: None }
    }

    /// A status with a body of JSON.
    pub fn json(status: u16, body: &str) -> Self {
        let length = body.len();
        Self::raw(format!(
            "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    /// A status without a body: of an engine, 204 or 304.
    pub fn empty(status: u16) -> Self {
        Self::raw(format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n\r\n"))
    }

    /// An error as the engine words it. `message` must need no escaping in JSON.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &format!("{{\"message\":\"{message}\"}}"))
    }
}

/// Replies that are not what the protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Garbage {
    /// The body is shorter than its length says.
    LengthTooLong,
    /// The body is longer than its length says.
    LengthTooShort,
    /// Two lengths that differ.
    TwoLengths,
    /// A length below nothing.
    NegativeLength,
    /// A chunk whose size is no number.
    BadChunk,
    /// Informational heads, and then a good one.
    Informational,
    /// Informational heads, and then the end.
    OnlyInformational,
    /// A redirect to another path.
    Redirect,
    /// The same fields twice, with other values.
    DuplicateHeaders,
    /// A field of 1 MiB.
    HugeHead,
    /// An error whose body of 100 MiB is announced and sent.
    HugeError,
    /// A success whose body is not JSON.
    NotJson,
    /// Not HTTP at all.
    NotHttp,
    /// Bytes of no meaning.
    Binary,
    /// A head that ends in its middle.
    HalfHead,
}

impl Garbage {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::LengthTooLong,
        Self::LengthTooShort,
        Self::TwoLengths,
        Self::NegativeLength,
        Self::BadChunk,
        Self::Informational,
        Self::OnlyInformational,
        Self::Redirect,
        Self::DuplicateHeaders,
        Self::HugeHead,
        Self::HugeError,
        Self::NotJson,
        Self::NotHttp,
        Self::Binary,
        Self::HalfHead,
    ];

    /// The reply. Where it has a body that can be read, that is `{}`.
    pub fn reply(self) -> Reply {
        const CLOSE: &str = "Connection: close\r\n\r\n";
        let ok = |fields: &str, body: &str| {
            Reply::raw(format!("HTTP/1.1 200 OK\r\n{fields}{CLOSE}{body}"))
        };
        match self {
            Self::LengthTooLong => ok("Content-Length: 200\r\n", "{}"),
            Self::LengthTooShort => ok("Content-Length: 2\r\n", "{}{\"more\":1}"),
            Self::TwoLengths => ok("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
            Self::NegativeLength => ok("Content-Length: -2\r\n", "{}"),
            Self::BadChunk => ok("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
            Self::Informational => Reply::raw(format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{CLOSE}{{}}"
            )),
            Self::OnlyInformational => Reply::raw("HTTP/1.1 100 Continue\r\n\r\n"),
            Self::Redirect => Reply::raw(format!(
                "HTTP/1.1 301 Moved Permanently\r\nLocation: /elsewhere\r\n\
                 Content-Length: 0\r\n{CLOSE}"
            )),
            Self::DuplicateHeaders => ok(
                "Content-Type: application/json\r\nContent-Type: text/plain\r\n\
                 Api-Version: 1.41\r\nApi-Version: 9.99\r\nContent-Length: 2\r\n",
                "{}",
            ),
            Self::HugeHead => ok(&format!("X-Filling: {}\r\n", "x".repeat(1 << 20)), "{}"),
            Self::HugeError => {
                let length = 100 << 20;
                let head = format!(
                    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: {length}\r\n{CLOSE}"
                );
                Reply { bytes: head.into(), filling: Some((b'x', length)) }
            }
            Self::NotJson => ok("Content-Length: 9\r\n", "<html>no."),
            Self::NotHttp => Reply::raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            Self::Binary => Reply::raw((0..=255).cycle().take(4096).collect::<Vec<u8>>()),
            Self::HalfHead => Reply::raw("HTTP/1.1 200 OK\r\nContent-Len"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_its_bytes() {
        let reply = Reply::error(409, "busy");
        let text = String::from_utf8(reply.bytes.to_vec()).unwrap();
        assert!(text.starts_with("HTTP/1.1 409 "), "{text}");
        assert!(
            text.contains("Content-Length: 18\r\n") && text.ends_with("{\"message\":\"busy\"}")
        );
        assert!(Reply::empty(204).bytes.ends_with(b"\r\n\r\n"));
    }

    #[test]
    fn every_garbage_is_another() {
        let mut all: Vec<_> = Garbage::ALL.iter().map(|kind| kind.reply().bytes).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), Garbage::ALL.len());
    }
}
