//! `SystemApi` on the fake.

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, ApiVersion, Capabilities, EngineInfo, EngineVersion, Operation, SystemApi,
    VolumeUsage,
};
use tokio::time::Instant;

use super::FakeDocker;

#[async_trait]
impl SystemApi for FakeDocker {
    /// The version on which the behaviour was measured.
    async fn version(&self) -> Result<EngineVersion, ApiError> {
        let reply = self.admit(Operation::Version).await?;
        let api_version = ApiVersion { major: 1, minor: 41 };
        reply.deliver(Ok(EngineVersion::new("20.10.24", api_version, "linux", "amd64"))).await
    }

    async fn info(&self) -> Result<EngineInfo, ApiError> {
        let reply = self.admit(Operation::Info).await?;
        let info = {
            let mut state = self.state();
            let mut info = EngineInfo::new(state.identity.as_deref().unwrap_or("memory"));
            info.live_restore = state.live_restore;
            info.now = Some(state.time(Instant::now()));
            info
        };
        reply.deliver(Ok(info)).await
    }

    /// The bytes of the files alone.
    async fn disk_usage(&self) -> Result<Vec<VolumeUsage>, ApiError> {
        let reply = self.admit(Operation::DiskUsage).await?;
        let usage = {
            let state = self.state();
            let usage = state.volumes.iter().map(|(name, stored)| {
                let mut usage = VolumeUsage::new(name);
                usage.bytes = Some(stored.files.values().map(|content| content.len() as u64).sum());
                usage.references = Some(state.users_of(name).len() as u64);
                usage
            });
            usage.collect()
        };
        reply.deliver(Ok(usage)).await
    }

    fn outages(&self) -> u64 {
        0
    }

    fn is_away(&self) -> bool {
        false
    }

    fn is_steady(&self) -> bool {
        false
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::DOCKER
    }

    /// One a call, as on a real engine, where a call that finds nobody listening counts too.
    fn requests_sent(&self) -> u64 {
        self.state().calls.len() as u64
    }
}
