//! A job that is stopped from outside: `cargo run --package executor --example cancel -- IMAGE`.

use std::{sync::Arc, time::Duration};

use docker_api_trait::{BollardDocker, Endpoint, EndpointSources, ImageReference, LogSource};
use executor::{
    Cancel, Command, Executor, ExecutorConfig, FailureReason, JobOutcome, JobSpec, MemorySink,
    Trust,
};

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "the example talks to a person")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None))?;
    let engine = Arc::new(BollardDocker::new(endpoint)?);
    let executor = Executor::for_engine(engine, ExecutorConfig::new("my-ci"));

    let script = Command::script("trap 'echo tidied up; exit 1' TERM; sleep 600 & wait")?;
    let mut job =
        JobSpec::new("my-project", Trust::Trusted, image.parse::<ImageReference>()?, script);
    job.after_script = Some(Command::script("echo and the after-script ran")?);
    let (cancel, log) = (Cancel::new(), MemorySink::new());
    let running = executor.job(&job).sink(log.clone()).cancel(&cancel).run();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        cancel.stop();
    };
    // The result is awaited, not dropped: it comes when the job is cleaned up.
    let (result, ()) = tokio::join!(running, stop);
    let result = result?;
    print!("{}", log.text(LogSource::Stdout));
    if let JobOutcome::Failed(FailureReason::Canceled) = result.outcome {
        println!("stopped; removed {} objects", result.cleanup.removed.len());
    }
    Ok(())
}
