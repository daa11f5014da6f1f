//! A log of one's own: `cargo run --package executor --example sink -- IMAGE`.

use std::{io, sync::Arc};

use async_trait::async_trait;
use docker_api_trait::{
    BollardDocker, Endpoint, EndpointSources, ImageReference, LogChunk, LogSource,
};
use executor::{Command, Executor, ExecutorConfig, JobSpec, LogSink, Trust, Variable};

/// Shows each step's output between two lines, and errors with a sign.
#[derive(Debug)]
struct Console;

#[async_trait]
#[allow(clippy::print_stdout, reason = "the example talks to a person")]
impl LogSink for Console {
    async fn write(&mut self, chunk: &LogChunk) -> io::Result<()> {
        let sign = if chunk.source == LogSource::Stderr { "! " } else { "  " };
        for line in String::from_utf8_lossy(&chunk.bytes).lines() {
            println!("{sign}{line}");
        }
        Ok(())
    }

    async fn begin(&mut self, step: &str) -> io::Result<()> {
        println!("{step} begins");
        Ok(())
    }

    async fn end(&mut self, step: &str) -> io::Result<()> {
        println!("{step} ends");
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = std::env::args().nth(1).unwrap_or_else(|| "busybox".to_owned());
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None))?;
    let engine = Arc::new(BollardDocker::new(endpoint)?);
    let executor = Executor::for_engine(engine, ExecutorConfig::new("my-ci"));

    let script = Command::script("echo \"the token is $TOKEN\"; echo trouble >&2")?;
    let mut job =
        JobSpec::new("my-project", Trust::Trusted, image.parse::<ImageReference>()?, script);
    job.variables.push(Variable::new("TOKEN", "hush-hush")?.masked());
    executor.job(&job).sink(Console).run().await?;
    Ok(())
}
