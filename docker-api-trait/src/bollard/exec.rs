//! `ExecApi` on a real engine.

use async_trait::async_trait;
use bollard::models::ExecConfig;
use bytes::Bytes;

use super::BollardDocker;
use crate::{
    ApiError, ContainerId, ExecApi, ExecDetails, ExecId, ExecRequest, LogStream, Operation,
};

#[async_trait]
impl ExecApi for BollardDocker {
    async fn create_exec(
        &self,
        container: &ContainerId,
        request: &ExecRequest,
    ) -> Result<ExecId, ApiError> {
        let operation = Operation::CreateExec;
        let config = exec_config(request);
        let reply =
            self.call(operation, self.docker().create_exec(container.as_str(), config)).await?;
        ExecId::new(reply.id)
            .map_err(|error| ApiError::Protocol { operation, detail: error.to_string() })
    }

    async fn start_exec(&self, id: &ExecId) -> Result<LogStream, ApiError> {
        let body = Bytes::from_static(br#"{"Detach":false,"Tty":false}"#);
        let path = format!("/exec/{id}/start");
        // The write half is dropped: nothing is written to the standard input.
        Ok(self.attached(Operation::StartExec, &path, &[], body).await?.output)
    }

    async fn inspect_exec(&self, id: &ExecId) -> Result<ExecDetails, ApiError> {
        let reply =
            self.call(Operation::InspectExec, self.docker().inspect_exec(id.as_str())).await?;
        Ok(ExecDetails {
            running: reply.running.unwrap_or_default(),
            exit_code: reply.exit_code.filter(|_| reply.running != Some(true)),
        })
    }
}

fn exec_config(request: &ExecRequest) -> ExecConfig {
    ExecConfig {
        attach_stdin: Some(false),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        console_size: None,
        detach_keys: None,
        tty: Some(false),
        env: (!request.environment.is_empty()).then(|| request.environment.clone()),
        cmd: Some(request.command.clone()),
        privileged: Some(false),
        user: request.user.clone(),
        working_dir: request.working_directory.clone(),
    }
}
