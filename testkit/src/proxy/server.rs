//! `Proxy`: the socket, and what a test does with it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::{net::UnixListener, sync::watch, task::JoinHandle};

use super::{Backend, Passage, RecordedRequest, Rule, WireRequest, connection, state::Shared};
use crate::Side;

/// What a client finds at a proxy that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// A socket at which nobody listens: the connection is refused.
    Refusing,
    /// No file.
    Absent,
}

/// A proxy on a unix socket of its own, between any client and an engine, or in the place of one.
///
/// What is not meant by a rule passes byte for byte, hijacked connections included. A request is
/// counted when its head has arrived whole. The proxy serves until it is dropped; then all its
/// connections end, and its socket goes. It needs a runtime with I/O and time, and can be used from
/// several tasks at once.
///
/// One thing differs from having no proxy: where nobody listens behind it, a client gets a
/// connection, which then ends without a reply. [`close`](Self::close) shows what a client finds
/// without the proxy.
///
/// ```
/// use docker_api_trait::{ApiError, BollardDocker, Endpoint, SystemApi as _};
/// use testkit::{Backend, Proxy, Reply, Requests, Rule, WireFault};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In front of an engine: `Backend::socket("/var/run/docker.sock")`.
/// let version = r#"{"Version":"1","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}"#;
/// let proxy = Proxy::new(Backend::always(Reply::json(200, version)))?;
/// let docker = BollardDocker::new(Endpoint::Unix(proxy.socket().to_owned()))?;
///
/// proxy.inject(Rule::after(Requests::to("GET", "/version").first(1), WireFault::Drop));
/// assert!(matches!(docker.version().await, Err(ApiError::Lost { .. })));
/// assert_eq!(docker.version().await?.version, "1");
/// assert_eq!(proxy.requests().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    folder: TempDir,
    shared: Shared,
    /// Its value changes when connections are to end, and it is dropped when all are.
    cuts: watch::Sender<u64>,
    listening: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Listens on a new socket.
    ///
    /// # Errors
    /// When the socket cannot be made.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(backend: Backend) -> io::Result<Self> {
        let proxy = Self {
            folder: TempDir::with_prefix("proxy-")?,
            shared: Shared::new(backend),
            cuts: watch::Sender::new(0),
            listening: std::sync::Mutex::default(),
        };
        proxy.open()?;
        Ok(proxy)
    }

    /// Where a client finds it.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// The same for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Puts a rule in. Of several that meet one side of a request, the first counts.
    pub fn inject(&self, rule: Rule) {
        self.shared.inject(rule);
    }

    /// Takes all rules away. What stalls, stalls on: [`cut`](Self::cut) ends it.
    pub fn heal(&self) {
        self.shared.heal();
    }

    /// How often a rule was met so far.
    pub fn met(&self) -> usize {
        self.shared.met()
    }

    /// Lets `hook` decide on every request, when it has arrived, and again when its reply's head
    /// has come from the engine. The request waits for it. It goes before the rules. A later hook
    /// replaces it.
    pub fn on_request(
        &self,
        hook: impl Fn(WireRequest, Side) -> BoxFuture<'static, Passage> + Send + Sync + 'static,
    ) {
        self.shared.set_hook(Some(Arc::new(hook)));
    }

    /// Sends later requests to another backend, also those on connections that are there. What is
    /// under way stays where it is.
    pub fn switch(&self, backend: Backend) {
        self.shared.switch(backend);
    }

    /// Ends all connections that are there, in the middle of whatever they do.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets no new connection come about, until [`open`](Self::open). Those that are there go on.
    ///
    /// # Errors
    /// When the socket cannot be removed.
    pub async fn close(&self, closed: Closed) -> io::Result<()> {
        let listening = self.listening().take();
        if let Some(listening) = listening {
            listening.abort();
            // Afterwards nobody listens.
            let _ = listening.await;
        }
        match closed {
            Closed::Refusing => Ok(()),
            Closed::Absent => remove(&self.socket()),
        }
    }

    /// Listens again.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open(&self) -> io::Result<()> {
        let mut listening = self.listening();
        if listening.is_some() {
            return Ok(());
        }
        remove(&self.socket())?;
        let listener = UnixListener::bind(self.socket())?;
        let (shared, cuts) = (self.shared.clone(), self.cuts.subscribe());
        *listening = Some(tokio::spawn(listen(listener, shared, cuts)));
        Ok(())
    }

    /// What has arrived so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.requests()
    }

    fn listening(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.listening.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn remove(socket: &Path) -> io::Result<()> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Serves clients until the proxy is dropped.
async fn listen(listener: UnixListener, shared: Shared, mut cuts: watch::Receiver<u64>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = cuts.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok((client, _)) = accepted else {
            // Out of descriptors: others may be given back meanwhile.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let (shared, mut cuts) = (shared.clone(), cuts.clone());
        cuts.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                () = connection::serve(client, shared) => {}
                // Cut, or the proxy is gone.
                _ = cuts.changed() => {}
            }
        });
    }
}
