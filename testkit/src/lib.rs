//! Engines to test with, and to run without Docker.
//!
//! [`FakeDocker`] is a whole engine in memory: it keeps volumes, images, networks and containers, and answers
//! as a real engine does, the surprises included. Assert what is on it after the fact, not which
//! calls were made:
//!
//! ```
//! use docker_api_trait::{
//!     ApiError, ContainerApi, ContainerRequest, DockerApi, VolumeApi, VolumeName, VolumeRequest,
//!     WaitCondition,
//! };
//! use testkit::{FakeDocker, ScriptedRun};
//!
//! /// Works on a real engine and on the fake alike.
//! async fn exit_code(engine: &dyn DockerApi, job: &ContainerRequest) -> Result<i64, ApiError> {
//!     let id = engine.create_container(job).await?.id;
//!     let exit = engine.wait_container(&id, WaitCondition::NextExit).await?;
//!     engine.start_container(&id).await?;
//!     let code = exit.await?.code;
//!     engine.remove_container(&id).await?;
//!     Ok(code)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let docker = FakeDocker::new().with_image("busybox");
//! docker.script(ScriptedRun::exits(3));
//! docker.create_volume(&VolumeRequest::new(VolumeName::new("cache")?)).await?;
//!
//! let job = ContainerRequest::new("job-1".parse()?, "busybox".parse()?);
//! assert_eq!(exit_code(&docker, &job).await?, 3);
//! assert_eq!(docker.volume_names(), ["cache"]);
//! assert_eq!(docker.containers(), []);
//! # Ok(())
//! # }
//! ```
//!
//! Real engines stay the judge: `tests/differential` sends the same calls to both and compares. With the
//! feature `docker-api-conformance`, the module `conformance::docker_api` judges engines and wrappers of
//! your own by these cases.
//!
//! [`FaultyDocker`] puts faults between a caller and any engine.
//!
//! [`Baseline`] compares an engine and this process before and after: what must be true after every
//! fault.
//!
//! With the feature `rig`: [`Proxy`] puts them on the wire, between any client and an engine's socket;
//! [`PrivateEngine`] is an engine to be killed, and [`Crash`] kills programs, at each request.
//!
//! [`suite`] is what a test on a real engine is given.
//!
//! [`conformance`] judges implementations of our traits by their contracts.

mod canary;
pub mod conformance;
#[cfg(feature = "rig")]
mod crash;
#[cfg(feature = "rig")]
mod engine;
mod fake;
mod fault;
mod invariant;
#[cfg(feature = "rig")]
mod proxy;
pub mod suite;

#[cfg(feature = "rig")]
pub use crash::{Crash, CrashEnd, CrashError, CrashReport, CrashSite, CrashSites};
#[cfg(feature = "rig")]
pub use engine::{EngineError, EngineOptions, PrivateEngine};
pub use fake::{FakeDocker, ScriptedRun, UploadedEntry, VolumeRoot};
pub use fault::{Call, Fault, FaultKind, FaultyDocker, Side, Site};
pub use invariant::{Baseline, Delivered, Difference};
#[cfg(feature = "rig")]
pub use proxy::{
    Backend, Closed, Garbage, Passage, Proxy, RecordedRequest, Reply, Requests, Rule, WireFault,
    WireRequest,
};
