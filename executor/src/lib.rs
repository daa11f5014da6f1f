//! Runs CI jobs in containers, and keeps their caches in named volumes.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use executor::{Command, Executor, ImageSpec, JobSpec, MemorySink, Trust};
//!
//! let image: ImageSpec = "busybox".parse()?;
//! let mut job = JobSpec::new("my-project", Trust::Trusted, image, Command::script("make")?);
//! job.volumes.push("/cache".to_owned());
//! let log = MemorySink::new();
//! let result = Executor::connect("my-ci")?.job(&job).sink(log.clone()).run().await?;
//! println!("{:?}, caches: {:?}", result.outcome, result.volumes.states());
//! # Ok(()) }
//! ```
//!
//! The types to know:
//! - [`JobSpec`] says what to run, [`ExecutorConfig`] how; [`plan()`] turns them into a [`JobPlan`]
//!   without a request;
//! - [`Executor`] runs jobs, whole ([`Executor::job`]) or stage by stage ([`Executor::prepare`]), on any
//!   [`DockerApi`](docker_api_trait::DockerApi) and with any
//!   [`VolumeManager`](volume_manager::VolumeManager);
//! - [`LogSink`] receives the job's output, [`Observer`] its events; [`Cancel`] stops it;
//! - [`JobResult`] says how it ended, [`report::JobReport`] the same as stable JSON.
//!
//! The rest is in modules by topic: [`job`] and [`config`] go in, [`outcome`], [`event`], [`log`] and
//! [`report`] come out; [`image`], [`workspace`] and [`sweep`] are the parts with rules of their own;
//! [`error`] has the errors by phase, all of which implement [`Hint`](docker_api_trait::Hint).
//!
//! A failing script is an outcome, not an error. Whatever the outcome, a job is cleaned up, and the
//! result says what could not be.
//!
//! A unit test of code that runs jobs, without an engine: the fake runs what it is told, and a mock
//! answers whether the volumes were given back.
//!
//! ```
//! use std::sync::Arc;
//! use docker_api_trait::ImageReference;
//! use executor::{Cancel, Command, Executor, ExecutorConfig, JobOutcome, JobSpec, NullSink, Trust};
//! use testkit::{FakeDocker, ScriptedRun};
//! use volume_manager::{AttachReport, FinishReport, MockVolumeManager, PreparedVolumes, VolumeState};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let engine = FakeDocker::new().with_image("busybox");
//! engine.script(ScriptedRun::exits(0));
//! let mut volumes = MockVolumeManager::new();
//! volumes
//!     .expect_prepare()
//!     .times(1)
//!     .returning(|plan| Ok(PreparedVolumes::with_states(plan, [VolumeState::Reused])));
//! volumes.expect_attached().returning(|_, prepared| Ok(AttachReport::new(prepared.clone())));
//! volumes.expect_finish().times(1).returning(|_, _| FinishReport::default());
//!
//! let executor =
//!     Executor::new(Arc::new(engine), Arc::new(volumes), ExecutorConfig::new("my-ci"));
//! let image: ImageReference = "busybox".parse()?;
//! let mut job = JobSpec::new("my-project", Trust::Trusted, image, Command::script("make")?);
//! job.volumes.push("/cache".to_owned());
//! let result = executor.job(&job).run().await?;
//! assert!(matches!(result.outcome, JobOutcome::Succeeded));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod cancel;
mod commands;
pub mod config;
mod describe;
pub mod error;
pub mod event;
mod executor;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod host;
pub mod image;
pub mod instance;
pub mod job;
pub mod log;
pub mod outcome;
pub mod plan;
mod random;
mod redact;
mod refusal;
pub mod report;
pub mod run;
mod shell;
pub mod sweep;
pub mod workspace;

pub use cancel::Cancel;
pub use commands::{DockerCommand, docker_commands};
pub use config::ExecutorConfig;
pub use describe::describe;
pub use docker_api_trait::{EngineEvent, EngineObserver, RefusalCause, RetryPolicy, SteadyDocker};
pub use event::{Event, JobEvent, Observer};
pub use executor::{Executor, JobRun, PrepareFailure, Script, ScriptError};
pub use host::plan;
pub use job::{Command, ImageSpec, JobSpec, ServiceSpec, StepSpec, Variable};
pub use log::{LogSink, MemorySink, NullSink};
pub use outcome::{FailureReason, JobOutcome, JobResult};
pub use plan::{JobPlan, RunContext, plan_for_remote_engine};
pub use run::prepared::PreparedJob;
pub use volume_manager::{BuildStrategy, Trust};
pub use {async_trait, bytes, docker_api_trait, volume_manager};
