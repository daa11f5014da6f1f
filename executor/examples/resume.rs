//! A job whose stages run in two processes, here in one: `cargo run -p executor --example resume`.
use executor::{
    Cancel, Executor, ExecutorConfig, ImageSpec, JobPlan, JobSpec, NullSink, RunContext, Script,
    job::ContainerKind, run::JobProgress,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = std::sync::Arc::new(testkit::FakeDocker::new().with_image("busybox"));
    let executor = Executor::for_engine(engine, ExecutorConfig::new("my-ci"));
    let image: ImageSpec = "busybox".parse()?;
    let mut job = JobSpec::with_steps("my-project", executor::Trust::Trusted, image, []);
    job.shells.push(ContainerKind::Build);
    let (cancel, config) = (Cancel::new(), executor.config());
    let plan = executor::plan(&job, config, &RunContext::draw())?;
    let mut first = executor.prepare(&plan, &cancel).await?;
    let script = Script::new("sources", "git clone https://example.com/app")?;
    executor.run_script(&mut first, ContainerKind::Build, &script, &mut NullSink, &cancel).await?;
    let passed_on = serde_json::to_string(&(plan, first.progress()))?;
    drop(first);
    let (plan, progress): (JobPlan, JobProgress) = serde_json::from_str(&passed_on)?;
    let second = executor.resume_with(&plan, &progress).await?;
    assert!(executor.finish(second, &cancel).await.is_success());
    Ok(())
}
