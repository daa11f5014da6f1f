//! Connections: requests are counted here, where they leave.

use std::{
    error::Error,
    future::Future,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bollard::BollardRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Body as _, Incoming},
    header::HeaderValue,
};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use hyperlocal::UnixConnector;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::{Endpoint, EndpointError, TlsFiles};
use crate::{Capabilities, ConnectFailure};

/// How long an idle connection is kept. An engine keeps its side for longer.
const IDLE: Duration = Duration::from_secs(20);

/// `ENFILE` and `EMFILE`, of the machine and of the process. The standard library has no kind for them.
const TOO_MANY_FILES: [i32; 2] = [23, 24];

type BoxError = Box<dyn Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, BoxError>;

/// An error with a longer body than this is not read.
const LONGEST_ERROR: usize = 1 << 20;

/// What Podman's service, and no other, sends with every reply.
const PODMAN: &str = "libpod-api-version";

/// Where a request carries a registry's credential.
const REGISTRY_AUTH: &str = "x-registry-auth";

/// The client library writes the credential in Base64's first alphabet; the engine reads the one for
/// URLs, and what it cannot read it takes for no credential at all.
fn make_url_safe(credential: &mut HeaderValue) {
    let text = credential.as_bytes().iter().map(|byte| match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => *other,
    });
    let text: Vec<u8> = text.collect();
    if let Ok(mut value) = HeaderValue::from_bytes(&text) {
        value.set_sensitive(true);
        *credential = value;
    }
}

/// HTTP clients with connections that are used again, which saves a TLS handshake a request.
#[derive(Clone)]
enum Pool {
    Unix(Client<UnixConnector, Body>),
    Tcp(Client<HttpConnector, Body>),
    Tls(Client<HttpsConnector<HttpConnector>, Body>),
}

/// Sends requests to one engine and counts them. Clones share connections and count.
#[derive(Clone)]
pub(super) struct Transport {
    pool: Pool,
    sent: Arc<AtomicU64>,
    /// Whether a reply has said that it is Podman's.
    podman: Arc<AtomicBool>,
}

/// Goes with a request as an extension; fires when the reply's head has come.
#[derive(Clone)]
pub(super) struct HeadSignal(Arc<Mutex<Option<oneshot::Sender<()>>>>);

impl HeadSignal {
    pub(super) fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn fire(&self) {
        let sender = self.0.lock().ok().and_then(|mut sender| sender.take());
        if let Some(sender) = sender {
            // Nobody listening is fine: the waiter was dropped.
            let _ = sender.send(());
        }
    }
}

/// Why a request got no reply. Travels through the client library inside an I/O error.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    #[error("no connection")]
    Connect {
        failure: ConnectFailure,
        #[source]
        source: BoxError,
    },
    #[error("the connection was lost")]
    Lost {
        #[source]
        source: BoxError,
    },
}

impl Transport {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, EndpointError> {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        let pool = match endpoint {
            Endpoint::Unix(_) => Pool::Unix(builder.build(UnixConnector)),
            Endpoint::Tcp(_) => Pool::Tcp(builder.build(HttpConnector::new())),
            Endpoint::Tls { files, .. } => {
                let mut connector = HttpConnector::new();
                connector.enforce_http(false);
                Pool::Tls(builder.build(HttpsConnector::from((connector, tls_config(files)?))))
            }
        };
        Ok(Self { pool, sent: Arc::default(), podman: Arc::default() })
    }

    /// The same connections with a count of its own.
    pub(super) fn with_own_count(&self) -> Self {
        Self { pool: self.pool.clone(), sent: Arc::default(), podman: Arc::clone(&self.podman) }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        if self.podman.load(Ordering::Relaxed) {
            Capabilities::PODMAN
        } else {
            Capabilities::DOCKER
        }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, ClientError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        match &self.pool {
            Pool::Unix(client) => client.request(request).await,
            Pool::Tcp(client) => client.request(request).await,
            Pool::Tls(client) => client.request(request).await,
        }
    }
}

impl Transport {
    /// Sends a request for the client library, in its terms.
    pub(super) fn request(
        &self,
        request: BollardRequest,
    ) -> impl Future<Output = Result<Response<Incoming>, bollard::errors::Error>> + Send + use<>
    {
        let transport = self.clone();
        let mut request = request.map(BodyExt::boxed_unsync);
        let signal = request.extensions_mut().remove::<HeadSignal>();
        if let Some(credential) = request.headers_mut().get_mut(REGISTRY_AUTH) {
            make_url_safe(credential);
        }
        async move {
            let response = transport.send(request).await.map_err(|error| {
                bollard::errors::Error::IOError { err: io::Error::other(classify(error)) }
            })?;
            if response.headers().contains_key(PODMAN) {
                transport.podman.store(true, Ordering::Relaxed);
            }
            let status = response.status();
            if status.is_client_error() || status.is_server_error() {
                return Err(bollard::errors::Error::DockerResponseServerError {
                    status_code: status.as_u16(),
                    message: reason(response.into_body()).await?,
                });
            }
            if let Some(signal) = signal {
                signal.fire();
            }
            Ok(response)
        }
    }
}

/// Why an engine refused. The client library would read all of an endless answer.
async fn reason(body: Incoming) -> Result<String, bollard::errors::Error> {
    let unread =
        || format!("it answered with more than {LONGEST_ERROR} bytes, which were not read");
    if body.size_hint().lower() > LONGEST_ERROR as u64 {
        return Ok(unread());
    }
    let text = match Limited::new(body, LONGEST_ERROR).collect().await {
        Ok(text) => text.to_bytes(),
        Err(error) => {
            return match error.downcast::<hyper::Error>() {
                Ok(err) => Err(bollard::errors::Error::HyperResponseError { err: *err }),
                Err(_) => Ok(unread()),
            };
        }
    };
    let refusal = serde_json::from_slice::<Refusal>(&text).map(|refusal| refusal.message);
    Ok(refusal.unwrap_or_else(|_| String::from_utf8_lossy(&text).into_owned()))
}

/// What an engine says when it does not do what was asked.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

fn classify(error: ClientError) -> TransportError {
    if !error.is_connect() {
        return TransportError::Lost { source: error.into() };
    }
    let mut failure = ConnectFailure::Other;
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if current.is::<rustls::Error>() {
            failure = ConnectFailure::Tls;
        }
        cause = if let Some(error) = current.downcast_ref::<io::Error>() {
            failure = match error.kind() {
                _ if error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code)) => {
                    ConnectFailure::TooManyFiles
                }
                io::ErrorKind::NotFound => ConnectFailure::Absent,
                io::ErrorKind::ConnectionRefused => ConnectFailure::Refused,
                io::ErrorKind::PermissionDenied => ConnectFailure::PermissionDenied,
                _ => failure,
            };
            // Not `source`: that of an I/O error skips the error inside it.
            error.get_ref().map(|inside| inside as &(dyn Error + 'static))
        } else {
            current.source()
        };
    }
    TransportError::Connect { failure, source: error.into() }
}

/// TLS as the `docker` program does it: the given authority alone is trusted, and we show our own
/// certificate.
fn tls_config(files: &TlsFiles) -> Result<rustls::ClientConfig, EndpointError> {
    let unusable = |path: &std::path::Path, detail: String| EndpointError::Certificate {
        path: path.to_owned(),
        detail,
    };
    let certificates = |path: &std::path::Path| {
        let found = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unusable(path, error.to_string()))?;
        if found.is_empty() {
            return Err(unusable(path, "it holds no certificate".to_owned()));
        }
        Ok(found)
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(&files.authority)? {
        roots.add(certificate).map_err(|error| unusable(&files.authority, error.to_string()))?;
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unusable(&files.key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&files.authority, error.to_string()))?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&files.certificate)?, key)
        .map_err(|error| unusable(&files.certificate, error.to_string()))
}
