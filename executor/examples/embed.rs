//! A real job with two steps, a service and a secret: `cargo run -p executor --example embed`.
use executor::{
    Command, Executor, ImageSpec, JobSpec, MemorySink, ServiceSpec, StepSpec, Trust, Variable,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = std::env::var("BERTH_E2E_IMAGE").unwrap_or("busybox".to_owned());
    let owner = std::env::var("BERTH_E2E_OWNER").unwrap_or("my-ci".to_owned());
    let image: ImageSpec = image.parse()?;
    let mut web = ServiceSpec::new(image.clone()).with_alias("web");
    let serve = "mkdir /www; echo hello >/www/index.html; exec httpd -f -p 8080 -h /www";
    web.image.entrypoint = ["sh", "-c", serve].map(String::from).to_vec();
    let fetch = "until wget -qO /cache/page http://web:8080/; do sleep 0.1; done 2>/dev/null";
    let fetch = StepSpec::new("fetch", Command::script(fetch)?);
    let show = StepSpec::new("show", Command::script("echo \"$TOKEN: $(cat /cache/page)\"")?);
    let mut job = JobSpec::with_steps("my-project", Trust::Trusted, image, [fetch, show]);
    job.services.push(web);
    job.volumes.push("/cache".to_owned());
    job.variables.push(Variable::new("TOKEN", "hush-hush")?.masked());
    let log = MemorySink::new();
    Executor::connect(owner)?.job(&job).sink(log.clone()).run().await?.into_result()?;
    assert_eq!(log.text(docker_api_trait::LogSource::Stdout), "[MASKED]: hello\n");
    Ok(())
}
