//! `SystemApi` on a real engine.

use async_trait::async_trait;

use super::{BollardDocker, convert};
use crate::{ApiError, EngineVersion, Operation, SystemApi};

#[async_trait]
impl SystemApi for BollardDocker {
    async fn version(&self) -> Result<EngineVersion, ApiError> {
        let reply = self.call(Operation::Version, self.docker().version()).await?;
        convert::engine_version(reply)
    }

    fn requests_sent(&self) -> u64 {
        self.sent()
    }
}
