//! `ExecApi` on the fake.

use std::{fmt::Write as _, time::Duration};

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, ContainerId, ExecApi, ExecDetails, ExecId, ExecRequest, LogChunk, LogStream,
    Operation, Signal,
};
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{
    FakeDocker, image,
    script::ScriptedRun,
    state::{State, StoredContainer},
    stored_exec::StoredExec,
    stream::exec_output,
};

/// Setting it up, and looking at it.
impl FakeDocker {
    /// Sets what further programs do that are run from now on, but for those that send signals. At
    /// first they succeed at once, and `cat` prints the container's sockets if it is asked for them.
    pub fn script_exec(&self, run: ScriptedRun) {
        self.state().execs.script = Some(run);
    }

    /// The same for one program only; it goes before [`script_exec`](Self::script_exec).
    pub fn script_exec_of(&self, program: &str, run: ScriptedRun) {
        self.state().execs.by_program.insert(program.to_owned(), run);
    }

    /// From `after` on, containers of the image listen on this TCP port.
    #[must_use]
    pub fn with_listener(self, reference: &str, after: Duration, port: u16) -> Self {
        {
            let mut state = self.state();
            let image = image::change(&mut state, reference, |_| {});
            state.execs.listeners.push((image, after, port));
        }
        self
    }

    /// The request of every call of `create_exec` so far, in order, whatever became of it. This does
    /// not count as a call.
    pub fn exec_requests(&self) -> Vec<ExecRequest> {
        self.state().execs.requests.clone()
    }
}

/// Of all commands, three do something: `["sh", "-c", "kill -TERM -1"]` and the same with `KILL` reach
/// every process of the container but the init, and `cat` prints `/proc/net/tcp`. An image without a
/// shell has no program at all.
#[async_trait]
impl ExecApi for FakeDocker {
    async fn create_exec(
        &self,
        container: &ContainerId,
        request: &ExecRequest,
    ) -> Result<ExecId, ApiError> {
        self.state().execs.requests.push(request.clone());
        let reply = self.admit(Operation::CreateExec).await?;
        let outcome = create(&mut self.state(), container, request);
        reply.deliver(outcome).await
    }

    /// Measured on Engine 20.10: of one that runs or has run the words come as its output, with
    /// success. When its container has ended, one that was started before is refused with a 500, and
    /// one that was not is forgotten.
    async fn start_exec(&self, id: &ExecId) -> Result<LogStream, ApiError> {
        let reply = self.admit(Operation::StartExec).await?;
        let outcome = start(&mut self.state(), id);
        reply.deliver(outcome).await
    }

    async fn inspect_exec(&self, id: &ExecId) -> Result<ExecDetails, ApiError> {
        let operation = Operation::InspectExec;
        let reply = self.admit(operation).await?;
        let found = {
            let state = self.state();
            find(&state, id).map(|(_, details)| details)
        };
        reply.deliver(found.ok_or_else(|| no_such_exec(operation, id))).await
    }
}

fn create(state: &mut State, id: &ContainerId, request: &ExecRequest) -> Result<ExecId, ApiError> {
    let operation = Operation::CreateExec;
    if request.command.is_empty() {
        let message = "No exec command specified".to_owned();
        return Err(ApiError::Rejected { operation, message });
    }
    let container = state.container(operation, id)?;
    let mut place = None;
    container.life.send_modify(|life| place = life.create_exec(Instant::now()));
    let Some(place) = place else {
        let message = format!("Container {id} is not running");
        return Err(ApiError::Conflict { operation, message });
    };
    state.execs.created += 1;
    let exec = ExecId::new(format!("{:012x}{:0>52}", state.execs.created, "ec"))
        .expect("64 hexadecimal digits");
    let stored = StoredExec { container: id.clone(), command: request.command.clone(), place };
    state.execs.by_id.insert(exec.clone(), stored);
    Ok(exec)
}

fn find(state: &State, id: &ExecId) -> Option<(StoredExec, ExecDetails)> {
    let exec = state.execs.by_id.get(id)?;
    let container = state.containers.get(&exec.container)?;
    let details = container.life.borrow().exec(exec.place, Instant::now())?;
    Some((exec.clone(), details))
}

fn no_such_exec(operation: Operation, id: &ExecId) -> ApiError {
    ApiError::NotFound { operation, message: format!("No such exec instance: {id}") }
}

fn start(state: &mut State, id: &ExecId) -> Result<LogStream, ApiError> {
    let operation = Operation::StartExec;
    let Some((exec, details)) = find(state, id) else {
        return Err(no_such_exec(operation, id));
    };
    let container = state.container(operation, &exec.container)?;
    if !container.is_running() {
        let message = format!("Container {} is not running", exec.container);
        return Err(ApiError::Engine { operation, status: 500, message });
    }
    if details.running || details.exit_code.is_some() {
        let state = if details.running { "is already running" } else { "has already run" };
        let words = format!("Error: Exec command {id} {state}\r\n");
        return Ok(stream::iter([Ok(LogChunk::stdout(words))]).boxed());
    }
    let program = exec.command.first().map(String::as_str).unwrap_or_default();
    let runnable = !state.without_shell.contains(&container.image);
    let script = if runnable {
        let own = state.execs.by_program.get(program).or(state.execs.script.as_ref());
        if signal(&exec.command).is_some() {
            ScriptedRun::exits(0)
        } else {
            own.cloned().unwrap_or_else(|| sockets(state, container, &exec.command))
        }
    } else {
        ScriptedRun::exits(126).prints_stdout(format!(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \
             \"{program}\": executable file not found in $PATH: unknown\r\n"
        ))
    };
    let now = Instant::now();
    container.life.send_modify(|life| {
        life.start_exec(exec.place, now, script);
        if let Some(signal) = signal(&exec.command).filter(|_| runnable) {
            life.signal_all(now, signal, exec.place.1);
        }
    });
    Ok(exec_output(container.life.subscribe(), exec.place))
}

/// What `cat` prints of a container's sockets.
fn sockets(state: &State, container: &StoredContainer, command: &[String]) -> ScriptedRun {
    let shown = command.first().is_some_and(|program| program == "cat")
        && command.iter().any(|path| path == "/proc/net/tcp");
    if !shown {
        return ScriptedRun::exits(0);
    }
    let now = Instant::now();
    let started = container.life.borrow().condition(now).started_at;
    let age = started.map(|started| now.duration_since(started)).unwrap_or_default();
    let mut table = "  sl  local_address rem_address   st\n".to_owned();
    for (image, after, port) in &state.execs.listeners {
        if *after <= age && *image == container.image {
            let _ = writeln!(table, "   0: 00000000:{port:04X} 00000000:0000 0A 00000000");
        }
    }
    ScriptedRun::exits(0).prints_stdout(table)
}

/// The signal that a command sends to all.
fn signal(command: &[String]) -> Option<Signal> {
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    match command.as_slice() {
        ["sh", "-c", "kill -TERM -1"] => Some(Signal::Term),
        ["sh", "-c", "kill -KILL -1"] => Some(Signal::Kill),
        _ => None,
    }
}
