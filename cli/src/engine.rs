//! The engine that a run asks for: a real one, or one in memory.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use docker_api_trait::{BollardDocker, DockerApi, Endpoint, Volume};
use executor::{EngineObserver, RetryPolicy, SteadyDocker};
use testkit::{FakeDocker, ScriptedRun};

use crate::{
    args::{EngineArguments, EngineKind, RunArguments},
    failure::Failure,
    sink::Narrator,
    teller::say,
};

/// An engine; the one in memory also by its own type, so that its volumes can be kept.
pub(crate) struct Engine {
    pub(crate) docker: Arc<dyn DockerApi>,
    memory: Option<FakeDocker>,
}

impl Engine {
    /// Makes a handle to run a job with; does not connect yet.
    pub(crate) fn for_run(
        arguments: &RunArguments,
        engine: &EngineArguments,
    ) -> Result<Self, Failure> {
        let observer: Arc<dyn EngineObserver> =
            if arguments.quiet { Arc::new(()) } else { Arc::new(Narrator) };
        let engine = Self::watched(engine, observer)?;
        if engine.memory.is_none() && arguments.memory_exit_code.is_some() {
            return Err(Failure::new(
                "--memory-exit-code is for --engine memory",
                "leave out --memory-exit-code, or give --engine memory",
            ));
        }
        if let Some(memory) = &engine.memory {
            say("berth: engine in memory: no script is executed; its exit code is given");
            memory.script(ScriptedRun::exits(i64::from(arguments.memory_exit_code.unwrap_or(0))));
        }
        Ok(engine)
    }

    /// Makes a handle; does not connect yet.
    pub(crate) fn new(arguments: &EngineArguments) -> Result<Self, Failure> {
        Self::watched(arguments, Arc::new(()))
    }

    fn watched(
        arguments: &EngineArguments,
        observer: Arc<dyn EngineObserver>,
    ) -> Result<Self, Failure> {
        let of_other = match arguments.engine {
            EngineKind::Docker => arguments.memory_state.as_ref().map(|_| "--memory-state"),
            EngineKind::Memory => arguments.host.as_ref().map(|_| "--host"),
        };
        if let Some(option) = of_other {
            let kind = if arguments.engine == EngineKind::Docker { "memory" } else { "docker" };
            return Err(Failure::new(
                format!("{option} is for --engine {kind}"),
                format!("leave out {option}, or give --engine {kind}"),
            ));
        }
        match arguments.engine {
            EngineKind::Docker => {
                let docker = Endpoint::resolve(&arguments.sources())
                    .and_then(|endpoint| {
                        endpoint.verify()?;
                        BollardDocker::new(endpoint)
                    })
                    .map_err(|error| Failure::explain(&error))?;
                let policy = RetryPolicy::default().with_outage(arguments.outage);
                let docker = SteadyDocker::with_observer(Arc::new(docker), policy, observer);
                Ok(Self { docker: Arc::new(docker), memory: None })
            }
            EngineKind::Memory => {
                let memory = FakeDocker::new().with_any_image();
                if let Some(path) = &arguments.memory_state {
                    memory.restore(read_state(path)?);
                }
                Ok(Self { docker: Arc::new(memory.clone()), memory: Some(memory) })
            }
        }
    }

    /// Keeps the volumes of an engine in memory for the next run, if that was asked for.
    pub(crate) fn keep(&self, arguments: &EngineArguments) -> Result<(), Failure> {
        if let (Some(memory), Some(path)) = (&self.memory, &arguments.memory_state) {
            let state = serde_json::to_vec_pretty(&memory.snapshot()).map_err(io::Error::other);
            let kept = state.and_then(|state| replace(path, &state));
            kept.map_err(|error| unusable(path, &error.to_string()))?;
        }
        Ok(())
    }
}

/// The file appears whole or not at all, so that a run beside this one can read it at any time. Of
/// two at once, the last one's volumes are kept.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn read_state(path: &Path) -> Result<Vec<Volume>, Failure> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|error| unusable(path, &error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unusable(path, &error.to_string())),
    }
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(
        format!("the state file {} cannot be used: {why}", path.display()),
        "name a file that an earlier run has written, or one that does not exist yet",
    )
}
