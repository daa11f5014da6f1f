//! A plan as `docker` lines that mean the same: pure.

use std::fmt;

use docker_api_trait::{Mount, MountSource};
use volume_manager::{PlannedSource, VolumeDriver};

use crate::JobPlan;

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

/// The lines that make what the plan makes, run what it runs, and remove what it removes.
pub fn docker_commands(plan: &JobPlan) -> Vec<DockerCommand> {
    let mut lines = Vec::new();
    for volume in &plan.volumes.volumes {
        if let Some(managed) = volume.source.managed() {
            let mut line = Line::new(["docker", "volume", "create"]);
            line.labels(&managed.labels);
            if managed.driver.name != VolumeDriver::LOCAL {
                line.option("--driver", &managed.driver.name);
            }
            for (key, value) in &managed.driver.options {
                line.option("--opt", &format!("{key}={value}"));
            }
            line.word(managed.name.as_str());
            lines.push(line.0);
        }
    }
    let container = &plan.container;
    let mut line = Line::new(["docker", "run", "--rm", "--init"]);
    line.option("--log-driver", "none");
    line.option("--name", container.name.as_str());
    line.labels(&container.labels);
    for volume in &plan.volumes.volumes {
        let mount = volume.mount();
        // The plan has no mount whose bind string would be misread.
        match mount.bind_string() {
            Ok(Some(bind)) => line.option("--volume", &bind),
            Ok(None) | Err(_) => line.option("--mount", &fields(&mount)),
        }
    }
    for variable in &container.variables {
        line.option("--env", &format!("{}={}", variable.name(), variable.value()));
    }
    if let Some(folder) = &container.working_directory {
        line.option("--workdir", folder.as_str());
    }
    if let Some(user) = &container.user {
        line.option("--user", user);
    }
    if let Some((program, arguments)) = container.command.split_first() {
        line.option("--entrypoint", program);
        line.word(container.image.as_str());
        for argument in arguments {
            line.word(argument);
        }
    }
    lines.push(line.0);
    for volume in &plan.volumes.volumes {
        if let PlannedSource::Temporary(managed) = &volume.source {
            let mut line = Line::new(["docker", "volume", "rm"]);
            line.word(managed.name.as_str());
            lines.push(line.0);
        }
    }
    lines.into_iter().map(DockerCommand).collect()
}

struct Line(Vec<String>);

impl Line {
    fn new<const N: usize>(words: [&str; N]) -> Self {
        Self(words.map(str::to_owned).to_vec())
    }

    fn word(&mut self, word: &str) {
        self.0.push(word.to_owned());
    }

    /// As one word, so that a value that begins with a dash is not read as an option.
    fn option(&mut self, name: &str, value: &str) {
        self.0.push(format!("{name}={value}"));
    }

    fn labels(&mut self, labels: &std::collections::BTreeMap<String, String>) {
        for (key, value) in labels {
            self.option("--label", &format!("{key}={value}"));
        }
    }
}

/// A mount in the form of `--mount`, which is a line of CSV.
fn fields(mount: &Mount) -> String {
    let mut fields = Vec::new();
    let mut field = |key: &str, value: &str| fields.push(format!("{key}={value}"));
    match &mount.source {
        MountSource::Volume { name, labels, driver, options, no_copy } => {
            field("type", "volume");
            field("source", name.as_str());
            field("target", &mount.destination);
            if mount.read_only {
                field("readonly", "true");
            }
            if *no_copy {
                field("volume-nocopy", "true");
            }
            if let Some(driver) = driver {
                field("volume-driver", driver);
            }
            for (key, value) in options {
                field("volume-opt", &format!("{key}={value}"));
            }
            for (key, value) in labels {
                field("volume-label", &format!("{key}={value}"));
            }
        }
        MountSource::Host { path, propagation, .. } => {
            field("type", "bind");
            field("source", path);
            field("target", &mount.destination);
            if mount.read_only {
                field("readonly", "true");
            }
            if let Some(propagation) = propagation {
                field("bind-propagation", propagation.as_str());
            }
        }
        MountSource::Pipe { path } => {
            field("type", "npipe");
            field("source", path);
            field("target", &mount.destination);
        }
        // No other sort is planned.
        _ => {}
    }
    if let Some(consistency) = mount.consistency {
        field("consistency", consistency.as_str());
    }
    fields.iter().map(|field| csv(field)).collect::<Vec<_>>().join(",")
}

fn csv(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use volume_manager::Policy;

    use super::*;
    use crate::{Command, ExecutorConfig, JobSpec, RunContext, plan};

    fn lines(volumes: &[&str], script: &str, policy: Policy) -> Vec<String> {
        let command = Command::script(script).unwrap();
        let mut job = JobSpec::new("app", "busybox".parse().unwrap(), command);
        job.volumes = volumes.iter().map(|spec| spec.parse().unwrap()).collect();
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
        assert_eq!(words[words.len() - 4..], ["--entrypoint=sh", "busybox", "-c", "make test"]);
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
