//! Who answers behind a proxy.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{Reply, WireRequest};

type Answer = dyn Fn(&WireRequest) -> Reply + Send + Sync;

/// Who answers behind a [`Proxy`](super::Proxy).
#[derive(Clone)]
pub enum Backend {
    /// An engine at this unix socket.
    Socket(PathBuf),
    /// Nobody but this function: it is asked once for each request, when its body has come whole.
    Script(Arc<Answer>),
}

impl Backend {
    /// The engine at this unix socket.
    pub fn socket(path: impl Into<PathBuf>) -> Self {
        Self::Socket(path.into())
    }

    /// What `answer` says to each request.
    pub fn script(answer: impl Fn(&WireRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self::Script(Arc::new(answer))
    }

    /// The same reply to every request.
    pub fn always(reply: Reply) -> Self {
        Self::script(move |_| reply.clone())
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => formatter.debug_tuple("Socket").field(path).finish(),
            Self::Script(_) => formatter.write_str("Script"),
        }
    }
}
