//! What a proxy knows: its rules, its hook, its backend, and what it has seen.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Backend, Rule, WireFault, WireRequest};
use crate::Side;

/// How much of a body is recorded.
const RECORDED_BODY: usize = 1 << 20;

/// What a hook decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// The request, or its reply, goes on; rules may still meet it.
    Go,
    /// The connection ends here.
    Drop,
}

pub(super) type Hook = Arc<dyn Fn(WireRequest, Side) -> BoxFuture<'static, Passage> + Send + Sync>;

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Its head.
    pub request: WireRequest,
    /// What of its body has come so far, as it was on the wire, at most the first MiB. What goes
    /// into an attachment is not of the request's body.
    pub body: Bytes,
    /// Whether a reply has begun to come. Without one, what was asked for may still be done: now,
    /// later, or never.
    pub answered: bool,
}

struct Known {
    rule: Rule,
    fitted: usize,
}

struct State {
    rules: Vec<Known>,
    met: usize,
    hook: Option<Hook>,
    backend: Backend,
    backends: u64,
    recorded: Vec<Recorded>,
}

struct Recorded {
    request: WireRequest,
    body: Vec<u8>,
    answered: bool,
}

/// Shared by a proxy and its connections.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<State>>);

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        formatter
            .debug_struct("Shared")
            .field("backend", &state.backend)
            .field("requests", &state.recorded.len())
            .finish_non_exhaustive()
    }
}

/// The rules of one request, each side of it.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) before: Option<WireFault>,
    pub(super) after: Option<WireFault>,
}

impl Shared {
    pub(super) fn new(backend: Backend) -> Self {
        Self(Arc::new(Mutex::new(State {
            rules: Vec::new(),
            met: 0,
            hook: None,
            backend,
            backends: 0,
            recorded: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn inject(&self, rule: Rule) {
        self.state().rules.push(Known { rule, fitted: 0 });
    }

    pub(super) fn heal(&self) {
        self.state().rules.clear();
    }

    pub(super) fn met(&self) -> usize {
        self.state().met
    }

    pub(super) fn set_hook(&self, hook: Option<Hook>) {
        self.state().hook = hook;
    }

    pub(super) fn hook(&self) -> Option<Hook> {
        self.state().hook.clone()
    }

    pub(super) fn switch(&self, backend: Backend) {
        let mut state = self.state();
        state.backend = backend;
        state.backends += 1;
    }

    /// The backend, and a number that changes with it.
    pub(super) fn backend(&self) -> (Backend, u64) {
        let state = self.state();
        (state.backend.clone(), state.backends)
    }

    /// Gives a request its number and decides what meets it. Of several rules that meet one side,
    /// the first that was put in counts; all count it.
    pub(super) fn arrive(&self, request: &mut WireRequest) -> Faults {
        let mut state = self.state();
        request.number = state.recorded.len();
        let recorded = Recorded { request: request.clone(), body: Vec::new(), answered: false };
        state.recorded.push(recorded);
        let mut faults = Faults::default();
        for known in &mut state.rules {
            if !known.rule.requests.fit(request) {
                continue;
            }
            let number = known.fitted;
            known.fitted += 1;
            if known.rule.requests.count(number) {
                let side = match known.rule.side {
                    Side::Before => &mut faults.before,
                    Side::After => &mut faults.after,
                };
                side.get_or_insert_with(|| known.rule.fault.clone());
            }
        }
        faults
    }

    /// Notes that a fault was met.
    pub(super) fn meet(&self) {
        self.state().met += 1;
    }

    pub(super) fn record_body(&self, number: usize, bytes: &[u8]) {
        if let Some(recorded) = self.state().recorded.get_mut(number) {
            let room = RECORDED_BODY - recorded.body.len();
            recorded.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    pub(super) fn record_answer(&self, number: usize) {
        if let Some(recorded) = self.state().recorded.get_mut(number) {
            recorded.answered = true;
        }
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        let state = self.state();
        let recorded = state.recorded.iter().map(|recorded| RecordedRequest {
            request: recorded.request.clone(),
            body: Bytes::copy_from_slice(&recorded.body),
            answered: recorded.answered,
        });
        recorded.collect()
    }
}
