//! Services on the fake engine: when they count as ready, how a job finds them, and what is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod containers;
mod failures;
mod network;
mod readiness;

use std::{sync::Arc, time::Duration};

use common::{Events, assert_clean, assert_succeeded, engine, executor_with, image, job, step};
use executor::{ExecutorConfig, JobResult, JobSpec, ServiceSpec, outcome::Readiness};
use testkit::{FakeDocker, ScriptedRun};

/// An engine with a service that runs on.
fn with_db() -> FakeDocker {
    let engine = engine().with_image("db");
    engine.script_for_image("db", ScriptedRun::never_ends().prints_stdout("starting\n"));
    engine
}

fn with_ports(ports: &[&str]) -> FakeDocker {
    let ports = ports.iter().map(|port| (*port).to_owned()).collect();
    with_db().with_image_details("db", |image| image.exposed_ports = ports)
}

fn job_with_db() -> JobSpec {
    let mut job = job([step("a")]);
    job.services.push(ServiceSpec::new(image("db")));
    job
}

async fn watched(engine: &FakeDocker, config: ExecutorConfig) -> (JobResult, Events) {
    let events = Events::default();
    let executor = executor_with(engine, config).with_observer(Arc::new(events.clone()));
    let result = executor.job(&job_with_db()).run().await.unwrap();
    // Whatever becomes of a service, its job goes on.
    assert_succeeded(&result);
    assert_clean(engine, &result);
    (result, events)
}

async fn readiness(engine: &FakeDocker) -> (Readiness, Duration, Events) {
    let (result, events) = watched(engine, ExecutorConfig::new("ci")).await;
    let service = &result.services[0];
    (service.readiness.clone(), service.duration, events)
}
