//! A proxy on a unix socket between a client and an engine, with faults on the wire.

mod backend;
mod connection;
mod framing;
mod head;
mod reply;
mod rule;
mod server;
mod state;
mod wire;

pub use backend::Backend;
pub use head::WireRequest;
pub use reply::{Garbage, Reply};
pub use rule::{Requests, Rule, WireFault};
pub use server::{Closed, Proxy};
pub use state::{Passage, RecordedRequest};
