//! A job from a program of your own: `cargo run --package executor --example embed -- IMAGE`.

use std::sync::Arc;

use docker_api_trait::{BollardDocker, Endpoint, EndpointSources, ImageReference};
use executor::{Command, Executor, ExecutorConfig, JobOutcome, JobSpec, Trust};

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "the example talks to a person")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    let image: ImageReference = image.parse()?;
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None))?;
    let engine = Arc::new(BollardDocker::new(endpoint)?);
    let executor = Executor::for_engine(engine, ExecutorConfig::new("my-ci"));

    let mut job =
        JobSpec::new("my-project", Trust::Trusted, image, Command::script("date > /cache/now")?);
    job.volumes.push("/cache".to_owned());
    let result = executor.job(&job).run().await?;
    match result.outcome {
        JobOutcome::Succeeded => println!("caches: {:?}", result.volumes.states()),
        JobOutcome::Failed(reason) => println!("failed: {}", reason.as_str()),
        _ => {}
    }
    Ok(())
}
