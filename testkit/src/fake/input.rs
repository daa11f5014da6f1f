//! Standard inputs of the fake's containers, and what reads them.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use bytes::Bytes;
use docker_api_trait::{ApiError, Attachment, ContainerId, ContainerInput, Input, Operation};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::{FakeDocker, state::State, stream};

impl FakeDocker {
    /// The scripts that shells were given as steps, in order. This does not count as a call.
    pub fn scripts(&self) -> Vec<String> {
        self.state().shell_scripts.clone()
    }

    /// Attaches to both ends.
    pub(super) fn attachment(&self, id: &ContainerId) -> Result<Attachment, ApiError> {
        let state = self.state();
        let container = state.container(Operation::AttachContainer, id)?;
        let now = Instant::now();
        let (run, written) = {
            let life = container.life.borrow();
            (life.current_or_next_run(now), life.written(now))
        };
        let kind = container.request.input;
        let held = Arc::new(Held { state: self.handle(), container: id.clone(), run, kind });
        let output = stream::output(container.life.subscribe(), run, written);
        let input = Box::new(FakeInput(Arc::clone(&held)));
        // Both ends hold the connection.
        let output = output.inspect(move |_| {
            let _ = &held;
        });
        Ok(Attachment::new(input, output.boxed()))
    }
}

/// What asks a shell once more how the step before ended.
const LAST_CODE: &str = r#"return "$berth_code""#;

/// The input of one run, held by both ends of an attachment.
struct Held {
    state: Weak<Mutex<State>>,
    container: ContainerId,
    run: usize,
    kind: Input,
}

impl Held {
    /// Whether it could be done: there is the engine, and somebody to read.
    fn change(&self, bytes: Option<&[u8]>) -> Option<()> {
        let state = self.state.upgrade()?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut read = true;
        let container = state.containers.get(&self.container)?;
        container.life.send_modify(|life| {
            if let Some(bytes) = bytes {
                // Without an input the engine takes the bytes and forgets them.
                let bytes = if self.kind == Input::None { &[] } else { bytes };
                read = life.write(self.run, now, bytes);
            } else {
                life.close(self.run, now);
            }
        });
        play_steps(&mut state, &self.container);
        read.then_some(())
    }

    fn close(&self) -> Option<()> {
        if self.kind == Input::Once { self.change(None) } else { Some(()) }
    }
}

/// An input that ends with its first attachment ends when both ends are gone.
impl Drop for Held {
    fn drop(&mut self) {
        // No engine or no container any more is fine.
        let _ = self.close();
    }
}

struct FakeInput(Arc<Held>);

#[async_trait]
impl ContainerInput for FakeInput {
    async fn write(&mut self, bytes: Bytes) -> Result<(), ApiError> {
        self.0.change(Some(&bytes)).ok_or_else(lost)
    }

    async fn close(&mut self) -> Result<(), ApiError> {
        self.0.close().ok_or_else(lost)
    }
}

impl fmt::Debug for FakeInput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FakeInput({})", self.0.container)
    }
}

fn lost() -> ApiError {
    let operation = Operation::AttachContainer;
    ApiError::Lost { operation, source: "nobody reads the input any more".into() }
}

/// Plays what a shell has been given, if the container is one that runs.
pub(super) fn play_steps(state: &mut State, id: &ContainerId) {
    let now = Instant::now();
    loop {
        let Some(container) = state.containers.get(id) else {
            return;
        };
        let (image, mounted) = (container.image.clone(), container.volumes.clone());
        let mut step = None;
        container.life.send_modify(|life| step = life.take_step(now));
        let Some(step) = step else {
            return;
        };
        if step.script.lines().any(|line| line == LAST_CODE) {
            container.life.send_modify(|life| life.answer(now, step.mark));
            continue;
        }
        state.shell_scripts.push(step.script);
        let script = state.next_script();
        let refused = state.write_files(&image, &mounted, &script);
        let script = script.refused_to_write(&refused);
        if let Some(container) = state.containers.get(id) {
            container.life.send_modify(|life| life.play(now, step.mark, script));
        }
    }
}
