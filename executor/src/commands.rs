//! A plan as `docker` lines that mean the same: pure.

mod line;

use std::fmt;

use docker_api_trait::{ContainerRequest, Input, LogDriver, Mount};
use volume_manager::{PreparedVolume, PreparedVolumes, VolumeDriver};

use self::line::{Line, fields};
use crate::{
    plan::{JobPlan, NetworkPlan, OwnNetwork, Process},
    shell,
};

/// One `docker` line. `Display` quotes its words for a POSIX shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerCommand(Vec<String>);

impl DockerCommand {
    /// The words, `docker` first.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for DockerCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(String::as_str);
        // Only NUL cannot be quoted, and no plan holds one.
        formatter.write_str(&shlex::try_join(words).map_err(|_| fmt::Error)?)
    }
}

/// The lines that make what the plan makes, run what it runs, and remove what it removes. Secrets are
/// not in them: `--env NAME` takes each from the environment of whoever runs the line, and files that
/// hold variables are left out.
pub fn docker_commands(plan: &JobPlan) -> Vec<DockerCommand> {
    let volumes = PreparedVolumes::unprepared(&plan.volumes);
    let mut lines: Vec<_> = volumes.volumes.iter().filter_map(create_volume).collect();
    if let NetworkPlan::Own(own) = &plan.network {
        lines.push(create_network(own));
    }
    let mounts = volumes.mounts();
    for service in &plan.services {
        let request = service.request(service.image.reference.clone(), mounts.clone());
        lines.push(run(&request, &["--detach"], &[], service.command.as_slice()));
    }
    let mut left = Vec::new();
    for index in 0..plan.containers.len() {
        left.extend(run_container(plan, index, &mounts, &mut lines));
    }
    left.extend(plan.services.iter().map(|service| service.name.as_str()));
    if !left.is_empty() {
        let mut line = Line::new(["docker", "rm", "--force", "--volumes"]);
        for name in left {
            line.word(name);
        }
        lines.push(line.0);
    }
    if let NetworkPlan::Own(own) = &plan.network {
        let mut line = Line::new(["docker", "network", "rm"]);
        line.word(own.name.as_str());
        lines.push(line.0);
    }
    for temporary in volumes.temporaries() {
        let mut line = Line::new(["docker", "volume", "rm"]);
        line.word(temporary.as_str());
        lines.push(line.0);
    }
    lines.into_iter().map(DockerCommand).collect()
}

/// The line that creates a volume; nothing for what the user gives.
fn create_volume(volume: &PreparedVolume) -> Option<Vec<String>> {
    let managed = volume.managed()?;
    let mut line = Line::new(["docker", "volume", "create"]);
    line.labels(&managed.labels);
    if managed.driver.name != VolumeDriver::LOCAL {
        line.option("--driver", &managed.driver.name);
    }
    for (key, value) in &managed.driver.options {
        line.option("--opt", &format!("{key}={value}"));
    }
    line.word(managed.name.as_str());
    Some(line.0)
}

fn create_network(own: &OwnNetwork) -> Vec<String> {
    let request = own.request();
    let mut line = Line::new(["docker", "network", "create"]);
    line.labels(&request.labels);
    if request.ipv6 {
        line.word("--ipv6");
    }
    for (key, value) in &request.options {
        line.option("--opt", &format!("{key}={value}"));
    }
    line.word(request.name.as_str());
    line.0
}

/// Adds the lines that run the steps of a container. Returns its name if it runs on after them.
fn run_container<'a>(
    plan: &'a JobPlan,
    index: usize,
    mounts: &[Mount],
    lines: &mut Vec<Vec<String>>,
) -> Option<&'a str> {
    let container = &plan.containers[index];
    let secrets: Vec<&str> = plan.exports.keys().map(String::as_str).collect();
    let mut request =
        container.request(container.image.reference.clone(), mounts.to_vec(), Input::None);
    let all = plan.steps.iter().chain(&plan.after_script);
    let steps: Vec<_> = all.filter(|step| step.container == index).collect();
    match (&container.process, steps.as_slice()) {
        (Process::Program(words), _) => {
            lines.push(run(&request, &["--rm"], &[], words.get(1..).unwrap_or_default()));
            None
        }
        (Process::Shell(entrypoint), [only]) => {
            request.environment.extend(plan.step_environment.iter().cloned());
            let words = shell_words(entrypoint, &["-ec".to_owned(), only.script.clone()]);
            lines.push(run(&request, &["--rm"], &secrets, &words));
            None
        }
        (Process::Shell(entrypoint), _) => {
            // It only waits; each step is a shell of its own in it.
            let words = shell_words(entrypoint, &["-c", "sleep infinity"].map(str::to_owned));
            lines.push(run(&request, &["--detach"], &[], &words));
            for step in steps {
                let mut line = Line::new(["docker", "exec"]);
                let others = plan.step_environment.iter().map(String::as_str);
                for variable in secrets.iter().copied().chain(others) {
                    line.option("--env", variable);
                }
                line.word(container.name.as_str());
                for word in ["sh", "-ec", &step.script] {
                    line.word(word);
                }
                lines.push(line.0);
            }
            Some(container.name.as_str())
        }
    }
}

/// The words of a shell's program after the first, which is an option of its own.
fn shell_words(entrypoint: &[String], arguments: &[String]) -> Vec<String> {
    let mut words = shell::shell_line(entrypoint, arguments);
    words.remove(0);
    words
}

fn run(
    request: &ContainerRequest,
    how: &[&str],
    secrets: &[&str],
    arguments: &[String],
) -> Vec<String> {
    let mut line = Line::new(["docker", "run"]);
    for word in how {
        line.word(word);
    }
    if request.init {
        line.word("--init");
    }
    match &request.log_driver {
        Some(LogDriver::JsonFile(options)) => {
            line.option("--log-driver", "json-file");
            for (key, value) in options {
                line.option("--log-opt", &format!("{key}={value}"));
            }
        }
        Some(driver) => line.option("--log-driver", driver.as_str()),
        None => {}
    }
    line.option("--name", request.name.as_str());
    line.labels(&request.labels);
    for mount in &request.mounts {
        // The plan has no mount whose bind string would be misread.
        match mount.bind_string() {
            Ok(Some(bind)) => line.option("--volume", &bind),
            Ok(None) | Err(_) => line.option("--mount", &fields(mount)),
        }
    }
    for variable in &request.environment {
        line.option("--env", variable);
    }
    for secret in secrets {
        line.option("--env", secret);
    }
    if let Some(folder) = &request.working_directory {
        line.option("--workdir", folder);
    }
    if let Some(user) = &request.user {
        line.option("--user", user);
    }
    if let Some(platform) = &request.platform {
        line.option("--platform", platform);
    }
    if let Some(hostname) = &request.hostname {
        line.option("--hostname", hostname);
    }
    if let Some(address) = &request.mac_address {
        line.option("--mac-address", address);
    }
    if let Some(attachment) = &request.network {
        line.option("--network", attachment.network.as_str());
        for alias in &attachment.aliases {
            line.option("--network-alias", alias);
        }
    }
    line.host(&request.host);
    if let Some(program) = request.entrypoint.first() {
        line.option("--entrypoint", program);
    }
    line.word(request.image.as_str());
    for argument in arguments {
        line.word(argument);
    }
    line.0
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use docker_api_trait::ImageReference;
    use volume_manager::Policy;

    use super::*;
    use crate::{
        config::ExecutorConfig,
        host::plan,
        job::{Command, JobSpec},
        plan::RunContext,
    };
    use volume_manager::Trust;

    fn lines(volumes: &[&str], script: &str, policy: Policy) -> Vec<String> {
        let command = Command::script(script).unwrap();
        let image: ImageReference = "busybox".parse().unwrap();
        let mut job = JobSpec::new("app", Trust::Trusted, image, command);
        job.volumes = volumes.iter().map(|spec| (*spec).to_owned()).collect();
        let context = RunContext::new("run1", "test", SystemTime::UNIX_EPOCH);
        let mut config = ExecutorConfig::new("ci");
        config.policy = policy;
        let plan = plan(&job, &config, &context).unwrap();
        docker_commands(&plan).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_cache_is_created_and_mounted_and_stays() {
        let lines = lines(&["/cache:ro"], "make test", Policy::default());
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("docker volume create "), "{}", lines[0]);
        let name = lines[0].rsplit(' ').next().unwrap();
        let mount = format!("--mount=type=volume,source={name},target=/cache,readonly=true,");
        let words = shlex::split(&lines[1]).unwrap();
        assert!(words.iter().any(|word| word.starts_with(&mount)), "{words:?}");
        assert_eq!(words[words.len() - 4..], ["--entrypoint=sh", "busybox", "-ec", "make test"]);
    }

    #[test]
    fn a_temporary_volume_is_removed_at_the_end() {
        let lines = lines(&["/cache"], "true", Policy::default().with_cache_disabled(true));
        assert_eq!(lines.len(), 3);
        assert!(lines[2].starts_with("docker volume rm berth-t1-"), "{}", lines[2]);
    }

    #[test]
    fn words_are_quoted_for_the_shell_and_fields_for_the_mount() {
        let lines = lines(&["data:/a,b"], "echo \"it's\"; rm -rf $HOME", Policy::default());
        let words = shlex::split(&lines[0]).unwrap();
        assert_eq!(words.last().unwrap(), "echo \"it's\"; rm -rf $HOME");
        assert!(words.contains(&"--mount=type=volume,source=data,\"target=/a,b\"".to_owned()));
    }
}
