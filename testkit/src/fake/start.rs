//! Starting, stopping and killing the fake's containers.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, ContainerRequest, ExitFuture, Operation, Signal};
use tokio::time::Instant;

use super::{
    FakeDocker, input::play_steps, life::Failure, network, reference, script::ScriptedRun,
    shell::Shell, state::State, stream,
};

/// The shells that an image may be without.
pub(super) const SHELLS: [&str; 2] = ["sh", "/bin/sh"];
/// The exit code of a container whose program is not there.
const NO_PROGRAM: i64 = 127;
/// The exit code that the engine gives a container that it could not start for another reason.
const NOT_STARTED: i64 = 128;

/// What a start brings.
enum Program {
    Script(ScriptedRun),
    /// It writes the greeting first, if it has one.
    Shell {
        greeting: Option<String>,
    },
    /// Without an init it is the engine that does not find the program.
    Missing(String),
}

pub(super) fn start(state: &mut State, id: &ContainerId) -> Result<(), ApiError> {
    let operation = Operation::StartContainer;
    if state.container(operation, id)?.is_running() {
        return Ok(());
    }
    let failed = |state: &State, error: ApiError, code| {
        let words = match &error {
            ApiError::NotFound { message, .. }
            | ApiError::Rejected { message, .. }
            | ApiError::Engine { message, .. } => message.clone(),
            _ => String::new(),
        };
        let container = state.container(operation, id)?;
        container.life.send_modify(|life| life.fail_to_start(Failure { code, words }));
        Err(error)
    };
    if let Err(error) = network::join(state, id) {
        return failed(state, error, NOT_STARTED);
    }
    state.mount_host_paths(id);
    let container = state.container(operation, id)?;
    let (image, mounted) = (container.image.clone(), container.volumes.clone());
    let request = container.request.clone();
    let program = program(state, &request, &image);
    let now = Instant::now();
    // The engine's calendar begins with its first start.
    state.written_time(now);
    match program {
        Program::Missing(message) => {
            return failed(state, ApiError::Rejected { operation, message }, NO_PROGRAM);
        }
        Program::Shell { greeting } => {
            let container = state.container(operation, id)?;
            container.life.send_modify(|life| life.start_shell(now, greeting));
            play_steps(state, id);
        }
        Program::Script(script) => {
            let refused = state.write_files(&image, &mounted, &script);
            let script = script.refused_to_write(&refused);
            state.container(operation, id)?.life.send_modify(|life| life.start(now, script));
        }
    }
    Ok(())
}

/// What a container of this request does when it is started now; `image` is the image's id.
fn program(state: &mut State, request: &ContainerRequest, image: &str) -> Program {
    let program = request.entrypoint.first().map(String::as_str).unwrap_or_default();
    if SHELLS.contains(&program) && state.without_shell.contains(image) {
        // Measured, both: the init's words and the engine's.
        return if request.init {
            let words =
                format!("[FATAL tini (7)] exec {program} failed: No such file or directory\n");
            Program::Script(ScriptedRun::exits(NO_PROGRAM).prints_stderr(words))
        } else {
            Program::Missing(format!(
                "failed to create shim task: OCI runtime create failed: runc create failed: unable \
                 to start container process: exec: \"{program}\": executable file not found in \
                 $PATH: unknown"
            ))
        };
    }
    if Shell::is_for(request) {
        return Program::Shell { greeting: Shell::greeting(request) };
    }
    let of_image = state.image_scripts.get(&reference::canonical(request.image.as_str())).cloned();
    Program::Script(of_image.unwrap_or_else(|| state.next_script()))
}

impl FakeDocker {
    /// Asks the container to stop; the future, if it runs, resolves when it has.
    pub(super) fn ask_to_stop(
        &self,
        operation: Operation,
        id: &ContainerId,
        grace: Duration,
    ) -> Result<Option<ExitFuture>, ApiError> {
        let state = self.state();
        let container = state.container(operation, id)?;
        let now = Instant::now();
        let (running, run) = {
            let life = container.life.borrow();
            (life.is_running(now), life.current_or_next_run(now))
        };
        if !running {
            return Ok(None);
        }
        // The engine takes whole seconds.
        let seconds = grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0));
        let grace = Duration::from_secs(seconds);
        container.life.send_modify(|life| life.stop(now, grace));
        Ok(Some(stream::exit(container.life.subscribe(), run, operation)))
    }
}

pub(super) fn kill(state: &State, id: &ContainerId, signal: Signal) -> Result<(), ApiError> {
    let operation = Operation::KillContainer;
    let Some(container) = state.containers.get(id) else {
        let message = format!("Cannot kill container: {id}: No such container: {id}");
        return Err(ApiError::NotFound { operation, message });
    };
    if !container.is_running() {
        let message = format!("Cannot kill container: {id}: Container {id} is not running");
        return Err(ApiError::Conflict { operation, message });
    }
    container.life.send_modify(|life| life.signal(Instant::now(), signal));
    Ok(())
}
