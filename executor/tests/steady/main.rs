//! Retries and outages, on the fake engine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod outages;
mod panics;
mod policy;
mod retries;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use common::engine;
use docker_api_trait::{ApiError, ContainerName, ContainerRequest, DockerApi, Operation};
use executor::{EngineEvent, EngineObserver, RetryPolicy, SteadyDocker};
use testkit::{FakeDocker, FaultyDocker};

#[derive(Debug, Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl EngineObserver for Events {
    fn engine_event(&self, event: &EngineEvent<'_>) {
        let word = match event {
            EngineEvent::Retried { .. } => "retried",
            EngineEvent::Lost { .. } => "lost",
            EngineEvent::Back { .. } => "back",
            EngineEvent::Gone { .. } => "gone",
            EngineEvent::Changed { .. } => "changed",
            _ => "other",
        };
        self.0.lock().unwrap().push(word.to_owned());
    }
}

impl fmt::Display for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.lock().unwrap().join(" "))
    }
}

fn steady(engine: &FakeDocker) -> (SteadyDocker, Events) {
    let events = Events::default();
    let engine: Arc<dyn DockerApi> = Arc::new(engine.clone());
    let observer = Arc::new(events.clone());
    (SteadyDocker::with_observer(engine, RetryPolicy::default(), observer), events)
}

fn status(operation: Operation, status: u16) -> impl Fn() -> ApiError + Send + Sync + 'static {
    move || ApiError::from_status(operation, status, "of the test")
}

fn request(run: &str) -> ContainerRequest {
    let name: ContainerName = "berth-test".parse().unwrap();
    let mut request = ContainerRequest::new(name, "busybox".parse().unwrap());
    request.labels.insert("dev.berth.run".to_owned(), run.to_owned());
    request
}

/// An engine that can go away, behind a steady handle.
fn faulty() -> (FakeDocker, FaultyDocker, SteadyDocker, Events) {
    let engine = engine();
    let faulty = FaultyDocker::new(Arc::new(engine.clone()));
    let events = Events::default();
    let observer = Arc::new(events.clone());
    let policy = RetryPolicy::default();
    let docker = SteadyDocker::with_observer(Arc::new(faulty.clone()), policy, observer);
    (engine, faulty, docker, events)
}
