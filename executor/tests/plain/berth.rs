//! The other side: scripts as the steps of jobs.

use std::{io, mem, sync::Arc, sync::Mutex, time::Duration};

use async_trait::async_trait;
use docker_api_trait::{BollardDocker, DockerApi, Endpoint, LogChunk, LogSource};
use executor::{
    Command, Executor, ExecutorConfig, JobSpec, LogSink, StepSpec, Trust, Variable, job::StepWhen,
};
use testkit::suite;
use volume_manager::DockerVolumeManager;

use crate::{
    compare::{Ended, Seen},
    plain::HOST_NAME,
    script::{Script, Shell, image, user},
};

/// The name that a step's shell has for its script.
const SCRIPT: &str = "/dev/fd/9";
/// The longest that a script may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A step's name and its two streams.
type Streams = (String, Vec<u8>, Vec<u8>);

/// Keeps the streams of each step.
#[derive(Debug, Clone, Default)]
struct Steps(Arc<Mutex<Vec<Streams>>>);

#[async_trait]
impl LogSink for Steps {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        let mut steps = self.0.lock().unwrap();
        let (_, stdout, stderr) = steps.last_mut().unwrap();
        let stream = if chunk.source == LogSource::Stdout { stdout } else { stderr };
        stream.extend_from_slice(&chunk.bytes);
        Ok(())
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        self.0.lock().unwrap().push((step.to_owned(), Vec::new(), Vec::new()));
        Ok(())
    }
}

/// Runs scripts that share their variables and their setting, one after the other in one container. Where
/// one ends the job, the others run in a further job.
pub(crate) async fn run(mut scripts: &[&Script], shell: Shell) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !scripts.is_empty() {
        let some = job(scripts, shell).await;
        scripts = &scripts[some.len()..];
        seen.extend(some);
    }
    seen
}

/// Runs one job and returns what was seen of its first scripts, of one at least.
async fn job(scripts: &[&Script], shell: Shell) -> Vec<Seen> {
    let first = scripts[0];
    let steps = scripts.iter().map(|script| {
        let command = Command::script(script.text().into_owned()).unwrap();
        let mut step = StepSpec::new(script.name, command);
        step.when = StepWhen::Always;
        step.allow_failure = true;
        step.timeout = Some(LIMIT);
        step
    });
    let image = image(shell, first.setting).parse::<docker_api_trait::ImageReference>().unwrap();
    let mut job = JobSpec::with_steps("plain", Trust::Trusted, image, steps);
    let variables = first.variables.iter();
    job.variables = variables.map(|(name, value)| Variable::new(*name, *value).unwrap()).collect();
    job.image.user = user(first.setting).map(str::to_owned);

    let docker = BollardDocker::new(Endpoint::Unix(suite::socket())).unwrap();
    let docker: Arc<dyn DockerApi> = Arc::new(docker);
    let volumes = Arc::new(DockerVolumeManager::new(Arc::clone(&docker)));
    let mut config = ExecutorConfig::new(suite::owner());
    config.stop_grace = Duration::from_secs(1);
    config.containers.hostname = Some(HOST_NAME.to_owned());
    config.containers.host.network_mode = Some("none".to_owned());
    let executor = Executor::with_engine_as_is(docker, volumes, config);
    let sink = Steps::default();
    let ended = executor.job(&job).sink(sink.clone()).run().await;
    let result = match ended {
        Ok(result) => result,
        Err(error) => return vec![Seen::ended(Ended::Otherwise(format!("no plan: {error}")))],
    };
    let mut streams = mem::take(&mut *sink.0.lock().unwrap());

    let mut seen = Vec::new();
    for script in scripts {
        let streams = streams.iter_mut().find(|(name, ..)| name == script.name);
        let (stdout, stderr) = streams
            .map(|(_, stdout, stderr)| (mem::take(stdout), mem::take(stderr)))
            .unwrap_or_default();
        let ended = match result.steps.iter().find(|step| step.name == script.name) {
            // Not run, because it is empty.
            None if script.text().trim().is_empty() => Ended::Code(0),
            None => break,
            Some(step) if step.outcome.is_skipped() => break,
            Some(step) => step
                .outcome
                .exit_code()
                .map_or_else(|| Ended::Otherwise(format!("{:?}", step.outcome)), Ended::Code),
        };
        seen.push(Seen::new(&stdout, &stderr, SCRIPT, ended));
    }
    if seen.is_empty() {
        seen.push(Seen::ended(Ended::Otherwise(format!("{:?}", result.outcome))));
    }
    seen
}
