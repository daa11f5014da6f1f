//! A job's output on its way from the engine to whoever wants it.

mod pump;
mod sink;

pub(crate) use pump::Pump;
pub use sink::{LogEnd, LogSink, MemorySink, NullSink, Truncation};
