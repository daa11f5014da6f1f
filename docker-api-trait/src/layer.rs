//! `Layered`: an engine behind a layer that looks at every call.

use std::fmt::Debug;

use futures_util::stream::BoxStream;

use crate::{ApiError, Attachment, ExitFuture, Operation, delegate::implement_roles};

/// Looks at every call to an engine. Only [`call`](Self::call) has to be written.
///
/// The other methods are for layers that change what a call hands out: a stream, an attachment or the
/// exit of a container. They are [`call`](Self::call) by default, so no call passes a layer by.
pub trait CallLayer: Debug + Send + Sync {
    /// Makes a call, or does not. The call has no effect until `call` is polled.
    fn call<T: Send>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> impl Future<Output = Result<T, ApiError>> + Send;

    /// Makes a call that hands out a stream: output, an archive, the progress of a pull.
    fn stream<T: Send + 'static>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<BoxStream<'static, Result<T, ApiError>>, ApiError>> + Send,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<T, ApiError>>, ApiError>> + Send
    {
        self.call(operation, call)
    }

    /// Makes a call that attaches to the input and output of a container.
    fn attach(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<Attachment, ApiError>> + Send,
    ) -> impl Future<Output = Result<Attachment, ApiError>> + Send {
        self.call(operation, call)
    }

    /// Makes a call that registers a waiter for the exit of a container.
    fn wait(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<ExitFuture, ApiError>> + Send,
    ) -> impl Future<Output = Result<ExitFuture, ApiError>> + Send {
        self.call(operation, call)
    }
}

/// An engine whose calls all pass a layer. It has every role that the engine has.
///
/// What a handle knows of its engine without a request (capabilities, outages, the count of requests) is
/// the engine's own answer.
#[derive(Debug, Clone)]
pub struct Layered<D: ?Sized, L> {
    layer: L,
    // Last, because it may be unsized.
    engine: D,
}

impl<D, L> Layered<D, L> {
    /// Returns `engine` behind `layer`.
    pub fn new(engine: D, layer: L) -> Self {
        Self { layer, engine }
    }

    /// Returns the engine without the layer.
    pub fn engine(&self) -> &D {
        &self.engine
    }

    /// Returns the layer.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

implement_roles!([D] [L: CallLayer] Layered<D, L>, (layer));
