//! A unit test with the fake engine, which behaves as a real one: `cargo run -p executor --example fake`.
use std::sync::Arc;

use executor::{Command, Executor, ExecutorConfig, JobSpec, MemorySink, Trust};
use testkit::{FakeDocker, ScriptedRun};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = FakeDocker::new().with_image("busybox");
    engine.script(ScriptedRun::exits(2).prints_stdout("no rule to make target\n"));
    let executor = Executor::for_engine(Arc::new(engine.clone()), ExecutorConfig::new("my-ci"));
    let image: executor::ImageSpec = "busybox".parse()?;
    let mut job = JobSpec::new("my-project", Trust::Trusted, image, Command::script("make")?);
    job.volumes.push("/cache".to_owned());
    let log = MemorySink::new();
    let result = executor.job(&job).sink(log.clone()).run().await?;
    assert_eq!(result.exit_code(), Some(2));
    assert_eq!(log.text(docker_api_trait::LogSource::Stdout), "no rule to make target\n");
    assert!(engine.containers().is_empty(), "everything but the cache was removed");
    assert_eq!(engine.volumes().len(), 1);
    Ok(())
}
