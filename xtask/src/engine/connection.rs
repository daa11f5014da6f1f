//! One HTTP request to the engine, over its socket or through the `docker` program.
//!
//! The request is HTTP/1.0: the engine then ends the response by closing the connection and uses no
//! chunks, so that no HTTP library is needed.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::address::Address;

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// The path with the query, both escaped.
    pub(super) target: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) struct NoResponse {
    /// Whether nothing listens at the address.
    pub(super) is_absent: bool,
    pub(super) error: anyhow::Error,
}

/// Sends a request and reads the response, all within `limit`.
pub(super) fn send(
    address: &Address,
    request: Request,
    limit: Duration,
) -> Result<Response, NoResponse> {
    // A thread, because a `docker` program has no time limit for reading. After the limit the thread
    // ends with this process.
    let (sender, receiver) = mpsc::channel();
    let address = address.clone();
    thread::spawn(move || sender.send(exchange(&address, &request)));
    receiver.recv_timeout(limit).unwrap_or_else(|_| {
        let error = anyhow::anyhow!("no response after {} s", limit.as_secs());
        Err(NoResponse { is_absent: false, error })
    })
}

fn exchange(address: &Address, request: &Request) -> Result<Response, NoResponse> {
    let opened = match address {
        Address::Unix(path) => UnixStream::connect(path).map(|stream| Box::new(stream) as _),
        Address::Tcp(host) => TcpStream::connect(host).map(|stream| Box::new(stream) as _),
        Address::Docker(_) => DialStdio::start().map(|stream| Box::new(stream) as _),
    };
    let mut stream: Box<dyn Stream> = opened.map_err(|error| NoResponse {
        is_absent: !matches!(address, Address::Docker(_))
            && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused),
        error: error.into(),
    })?;
    talk(&mut *stream, request).map_err(|error| NoResponse { is_absent: false, error })
}

fn talk(stream: &mut dyn Stream, request: &Request) -> Result<Response> {
    let Request { method, target, content_type, body } = request;
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.0\r\nHost: docker\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let written = written.and_then(|()| stream.flush());
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    // An engine that refuses a request may answer before it has read the body.
    if bytes.is_empty() {
        written.context("could not send the request")?;
    }
    read.context("could not read the response")?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Response> {
    const END: &[u8] = b"\r\n\r\n";
    let end = bytes.windows(END.len()).position(|window| window == END);
    let end = end.context("the connection was closed without an HTTP response")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.context("the response has no HTTP status")?;
    if head.lines().any(|line| line.starts_with("transfer-encoding:")) {
        bail!("the response to an HTTP/1.0 request has a transfer encoding");
    }
    Ok(Response { status, body: bytes[end + END.len()..].to_vec() })
}

trait Stream: Read + Write {}

impl Stream for UnixStream {}
impl Stream for TcpStream {}
impl Stream for DialStdio {}

/// `docker system dial-stdio`: the stream to the engine that Docker itself uses over SSH.
struct DialStdio {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl DialStdio {
    fn start() -> io::Result<Self> {
        let mut command = Command::new("docker");
        command.args(["system", "dial-stdio"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("`docker system dial-stdio`: {error}"))
        })?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { child, input, output }),
            _ => Err(io::Error::other("`docker system dial-stdio` has no input or output")),
        }
    }
}

impl Read for DialStdio {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer)
    }
}

impl Write for DialStdio {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.input.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

impl Drop for DialStdio {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::unix::net::UnixListener};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn request(body: &[u8]) -> Request {
        let (method, target) = ("POST", "/images/create".to_owned());
        Request { method, target, content_type: "application/x-tar", body: body.to_vec() }
    }

    /// Reads a request with a body of `length` bytes, responds, and closes the connection.
    fn serve(mut stream: impl Read + Write, length: usize, response: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).unwrap();
            bytes.extend_from_slice(&buffer[..read]);
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if read == 0 || end.is_some_and(|end| bytes.len() >= end + 4 + length) {
                break;
            }
        }
        stream.write_all(response).unwrap();
        bytes
    }

    #[test]
    fn request_and_response_pass_over_tcp_and_unix_sockets() {
        const RESPONSE: &[u8] = b"HTTP/1.0 201 Created\r\nServer: x\r\n\r\nbody\r\n\r\nmore";
        let expected = Response { status: 201, body: b"body\r\n\r\nmore".to_vec() };
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(tcp.local_addr().unwrap().to_string());
        let server = thread::spawn(move || serve(tcp.accept().unwrap().0, 5, RESPONSE));
        assert_eq!(send(&address, request(b"12345"), LIMIT).unwrap(), expected);
        let received = String::from_utf8(server.join().unwrap()).unwrap();
        assert!(received.starts_with("POST /images/create HTTP/1.0\r\n"), "{received}");
        assert!(received.ends_with("Content-Length: 5\r\n\r\n12345"), "{received}");

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("engine.sock");
        let unix = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || serve(unix.accept().unwrap().0, 0, RESPONSE));
        assert_eq!(send(&Address::Unix(path), request(b""), LIMIT).unwrap(), expected);
        server.join().unwrap();
    }

    #[test]
    fn address_where_nothing_listens_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let address = Address::Unix(directory.path().join("no.sock"));
        assert!(send(&address, request(b""), LIMIT).unwrap_err().is_absent);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = Address::Tcp(port.to_string());
        assert!(send(&address, request(b""), LIMIT).unwrap_err().is_absent);
    }

    #[test]
    fn silent_engine_is_given_up_after_the_limit() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(silent.local_addr().unwrap().to_string());
        let failed = send(&address, request(b""), Duration::from_millis(50)).unwrap_err();
        assert!(!failed.is_absent);
        assert_eq!(failed.error.to_string(), "no response after 0 s");
    }

    #[test]
    fn what_is_not_a_plain_response_is_an_error() {
        for bytes in [
            &b""[..],
            b"HTTP/1.0 200 OK\r\n",
            b"no status\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            assert!(parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
