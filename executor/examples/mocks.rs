//! A unit test with a mock that asks "was it called": `cargo run -p executor --example mocks`.
use std::sync::Arc;

use executor::{Command, Executor, ExecutorConfig, JobSpec, Trust};
use volume_manager::{
    AttachReport, FinishReport, MockVolumeManager, PreparedVolumes, VolumeState::Reused,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut volumes = MockVolumeManager::new();
    volumes.expect_prepare().returning(|plan| Ok(PreparedVolumes::with_states(plan, [Reused])));
    volumes.expect_attached().returning(|_, prepared| Ok(AttachReport::new(prepared.clone())));
    volumes.expect_finish().times(1).returning(|_, _| FinishReport::default());
    let engine = testkit::FakeDocker::new().with_image("busybox");
    let config = ExecutorConfig::new("my-ci");
    let executor = Executor::new(Arc::new(engine), Arc::new(volumes), config);
    let image: executor::ImageSpec = "busybox".parse()?;
    let mut job = JobSpec::new("my-project", Trust::Trusted, image, Command::script("make")?);
    job.volumes.push("/cache".to_owned());
    let result = executor.job(&job).run().await?.into_result()?;
    assert_eq!(result.volumes.states(), [Some(Reused)]);
    Ok(())
}
