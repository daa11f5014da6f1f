//! `FaultyDocker`: every role of an engine, with faults on the way.

use std::{
    collections::HashMap,
    fmt,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use docker_api_trait::{
    ApiError, Attachment, CallLayer, DockerApi, ExitFuture, Layered, Operation, delegate_docker_api,
};
use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::time::sleep;

use super::{
    Call, Fault, FaultKind, Side,
    handed_out::{broken, with_faulty_input},
    model::lost,
};

/// Is told of every call, before its effect and after, and may wait, as long as it likes.
type Hook = Arc<dyn Fn(Call, Side) -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    calls: Vec<Call>,
    passed: Vec<(Call, Side)>,
    counts: HashMap<Operation, usize>,
    met: usize,
    hook: Option<Hook>,
}

/// An engine with faults on the way to it.
///
/// Calls are numbered as they begin. A fault before the effect keeps the call from the engine; one
/// after it loses or changes the reply. Faults can be put in and taken away at any time; of several
/// that meet one side of one call, the first counts. Clones are handles to the same engine and faults.
///
/// To try something at every call, run it once without a fault and count:
///
/// ```
/// use std::sync::Arc;
/// use docker_api_trait::{SystemApi, VolumeApi};
/// use testkit::{FakeDocker, Fault, FaultKind, FaultyDocker, Side, Site};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let scenario = async |docker: &FaultyDocker| {
///     docker.version().await?;
///     docker.list_volumes(&[]).await
/// };
/// let calm = FaultyDocker::new(Arc::new(FakeDocker::new()));
/// scenario(&calm).await?;
/// for call in calm.calls() {
///     for side in Side::BOTH {
///         let docker = FaultyDocker::new(Arc::new(FakeDocker::new()));
///         docker.inject(Fault { site: Site::Nth(call.number), side, kind: FaultKind::Lost });
///         assert!(scenario(&docker).await.is_err());
///     }
/// }
/// # Ok::<_, docker_api_trait::ApiError>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultyDocker {
    engine: Layered<Arc<dyn DockerApi>, Faults>,
}

/// The faults, which meet each call on its way to the engine and back.
#[derive(Clone, Default)]
struct Faults {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.state().faults).finish()
    }
}

impl FaultyDocker {
    /// `engine`, without faults yet.
    pub fn new(engine: Arc<dyn DockerApi>) -> Self {
        Self { engine: Layered::new(engine, Faults::default()) }
    }

    /// `engine` with these faults.
    pub fn with_faults(
        engine: Arc<dyn DockerApi>,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Self {
        let docker = Self::new(engine);
        docker.state().faults.extend(faults);
        docker
    }

    /// Puts in a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Takes all faults away. What hangs, hangs on.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Lets `hook` be told of every call, on both sides of its effect. The call waits for it.
    pub fn on_call(
        &self,
        hook: impl Fn(Call, Side) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) {
        self.state().hook = Some(Arc::new(hook));
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Every call so far, on each side of its effect that it came to, in the order in which it did: a
    /// call that was dropped or kept from the engine is only before.
    pub fn passed(&self) -> Vec<(Call, Side)> {
        self.state().passed.clone()
    }

    /// How often a fault was met so far.
    pub fn met(&self) -> usize {
        self.state().met
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.engine.layer().state()
    }
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, operation: Operation) -> Call {
        let mut state = self.state();
        let count = state.counts.entry(operation).or_default();
        let nth = *count;
        *count += 1;
        let call = Call { number: state.calls.len(), operation, nth };
        state.calls.push(call);
        call
    }

    fn fault(&self, call: Call, side: Side) -> Option<FaultKind> {
        let mut state = self.state();
        let meets = |fault: &&Fault| fault.side == side && fault.site.meets(call);
        let kind = state.faults.iter().find(meets).map(|fault| fault.kind);
        state.met += usize::from(kind.is_some());
        kind
    }

    async fn side(&self, call: Call, side: Side) -> Result<Option<FaultKind>, ApiError> {
        let hook = {
            let mut state = self.state();
            state.passed.push((call, side));
            state.hook.clone()
        };
        if let Some(hook) = hook {
            hook(call, side).await;
        }
        match self.fault(call, side) {
            None => Ok(None),
            Some(FaultKind::Delay(time)) => {
                sleep(time).await;
                Ok(None)
            }
            Some(kind) if kind.is_of_stream() && side == Side::After => Ok(Some(kind)),
            Some(kind) if kind.never_ends() => pending().await,
            Some(kind) => Err(kind.error(call.operation).unwrap_or_else(|| lost(call.operation))),
        }
    }

    /// A call that hands out something that may break later.
    async fn handing_out<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<(T, Option<FaultKind>), ApiError> {
        let number = self.begin(operation);
        self.side(number, Side::Before).await?;
        let reply = call.await;
        // What is lost after the effect may be a refusal as well.
        let kind = self.side(number, Side::After).await?;
        Ok((reply?, kind))
    }
}

impl CallLayer for Faults {
    /// A call whose reply is all there is.
    async fn call<T: Send>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        let (reply, kind) = self.handing_out(operation, call).await?;
        match kind {
            None => Ok(reply),
            Some(kind) if kind.never_ends() => pending().await,
            Some(_) => Err(lost(operation)),
        }
    }

    async fn stream<T: Send + 'static>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<BoxStream<'static, Result<T, ApiError>>, ApiError>> + Send,
    ) -> Result<BoxStream<'static, Result<T, ApiError>>, ApiError> {
        let (stream, kind) = self.handing_out(operation, call).await?;
        match kind {
            // There is no input to break.
            Some(FaultKind::StallInput(_)) => pending().await,
            Some(FaultKind::CutInput(_)) => Err(lost(operation)),
            kind => Ok(broken(stream, kind, operation)),
        }
    }

    async fn attach(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<Attachment, ApiError>> + Send,
    ) -> Result<Attachment, ApiError> {
        let (attachment, kind) = self.handing_out(operation, call).await?;
        Ok(match kind {
            Some(kind) if kind.is_of_input() => with_faulty_input(attachment, kind),
            kind => Attachment::new(attachment.input, broken(attachment.output, kind, operation)),
        })
    }

    async fn wait(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<ExitFuture, ApiError>> + Send,
    ) -> Result<ExitFuture, ApiError> {
        let (exit, kind) = self.handing_out(operation, call).await?;
        Ok(match kind {
            Some(kind) if kind.never_ends() => Box::pin(async move {
                let _kept = exit;
                pending().await
            }),
            Some(_) => Box::pin(async move {
                // Its connection breaks a moment after it was registered.
                sleep(Duration::from_millis(1)).await;
                drop(exit);
                Err(lost(operation))
            }),
            None => exit,
        })
    }
}

delegate_docker_api!(FaultyDocker, engine);
