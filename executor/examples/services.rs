//! A job with a service, a small web server, that it reaches by a name:
//! `cargo run --package executor --example services -- IMAGE`.

use std::sync::Arc;

use docker_api_trait::{BollardDocker, Endpoint, EndpointSources, ImageReference, LogSource};
use executor::{
    Command, Executor, ExecutorConfig, JobOutcome, JobSpec, MemorySink, ServiceSpec, Trust,
};

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "the example talks to a person")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    let image: ImageReference = image.parse()?;
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None))?;
    let engine = Arc::new(BollardDocker::new(endpoint)?);
    let executor = Executor::for_engine(engine, ExecutorConfig::new("my-ci"));

    let mut web = ServiceSpec::new(image.clone());
    web.aliases.push("web".to_owned());
    let serve = "mkdir /www; echo hello >/www/index.html; exec httpd -f -p 8080 -h /www";
    web.image.entrypoint = ["sh", "-c", serve].map(ToOwned::to_owned).to_vec();

    let fetch = "until wget -q -O - http://web:8080/; do sleep 0.1; done 2>/dev/null";
    let mut job = JobSpec::new("my-project", Trust::Trusted, image, Command::script(fetch)?);
    job.services.push(web);
    let log = MemorySink::new();
    let result = executor.job(&job).sink(log.clone()).run().await?;
    match result.outcome {
        JobOutcome::Succeeded => print!("the service says {}", log.text(LogSource::Stdout)),
        JobOutcome::Failed(reason) => println!("failed: {}", reason.as_str()),
        _ => {}
    }
    Ok(())
}
