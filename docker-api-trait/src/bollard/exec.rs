//! `ExecApi` on a real engine.

use async_trait::async_trait;
use bollard::{
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures_util::StreamExt as _;

use super::{BollardDocker, convert};
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
        let operation = Operation::StartExec;
        let options = StartExecOptions { detach: false, tty: false, output_capacity: None };
        let started =
            self.call(operation, self.docker().start_exec(id.as_str(), Some(options))).await?;
        let StartExecResults::Attached { output, input: _ } = started else {
            return Err(ApiError::Protocol {
                operation,
                detail: "it runs detached although its output was asked for".to_owned(),
            });
        };
        let endpoint = self.endpoint().clone();
        Ok(output.map(move |frame| convert::log_chunk(&endpoint, operation, frame)).boxed())
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
