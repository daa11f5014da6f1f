//! The arguments that describe a job.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;
use docker_api_trait::ImageReference;
use executor::{
    Command, ImageSpec, JobSpec, ServiceSpec, StepSpec, Variable, config::normalize_file_text,
    image::PullPolicy, job::JobError,
};

use super::shared::{ScopeArguments, pair};
use crate::failure::Failure;

/// What to run. With a job file, each adds to it or replaces what it says.
#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "these comments are shown as help, not as Markdown")]
pub(crate) struct JobArguments {
    /// A job file, TOML or JSON: steps, services, caches and all that has no option here
    #[arg(long = "file", short = 'f', value_name = "FILE")]
    file: Option<PathBuf>,
    /// The image of the job's container; pulled if the engine does not have it
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The image for steps of the helper container [default: the job's own]
    #[arg(long, value_name = "IMAGE")]
    helper_image: Option<String>,
    /// The platform of the image, such as linux/arm64 [default: the engine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// When the image is pulled: always, if-not-present or never; several are tried in order
    #[arg(long = "pull", value_name = "POLICY", value_delimiter = ',', value_parser = pull_policy)]
    pub(super) pull_policies: Vec<PullPolicy>,
    /// A service that the job reaches by the alias, or by its image's name
    #[arg(long = "service", value_name = "IMAGE[=ALIAS]")]
    services: Vec<String>,
    /// A volume: /PATH is a cache, NAME:/PATH a volume of your own, both with :ro or :nocopy
    #[arg(long = "volume", short = 'v', value_name = "SPEC")]
    volumes: Vec<String>,
    /// An environment variable; $NAME in a volume stands for its value
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// A secret, masked in the log; without a value, that of the variable here
    #[arg(long = "secret", value_name = "NAME[=VALUE]")]
    secrets: Vec<String>,
    /// A secret from a file here; the variable holds the path of a file in the container
    #[arg(long = "secret-file", value_name = "NAME=PATH")]
    secret_files: Vec<String>,
    #[command(flatten)]
    pub(super) scope: ScopeArguments,
    /// The job's name or number, for its labels
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// The folder that the script starts in, and that relative volumes join [default: the image's]
    #[arg(long, value_name = "PATH")]
    pub(super) workdir: Option<String>,
    /// Who runs the script: a name or number, and a group after a colon [default: the image's]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// A script that runs after the others, whatever became of them
    #[arg(long, value_name = "SCRIPT")]
    after_script: Option<String>,
    /// Stop the job after this time, such as 90s or 10m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// One word is a script for the image's shell; several are a program and its arguments
    #[arg(last = true, required_unless_present = "file", value_name = "SCRIPT")]
    command: Vec<String>,
}

impl JobArguments {
    /// The job that they describe; `default_image` is the configuration's.
    pub(super) fn job(&self, default_image: Option<&ImageSpec>) -> Result<JobSpec, Failure> {
        let mut job = self.base(default_image)?;
        if let Some(id) = &self.job {
            job.id.clone_from(id);
        }
        if let Some(image) = &self.helper_image {
            job.helper_image = Some(reference(image)?.into());
        }
        if self.platform.is_some() {
            job.image.platform.clone_from(&self.platform);
        }
        if self.user.is_some() {
            job.image.user.clone_from(&self.user);
        }
        if self.workdir.is_some() {
            job.working_directory.clone_from(&self.workdir);
        }
        job.timeout = self.timeout.or(job.timeout);
        if let Some(script) = &self.after_script {
            job.after_script = Some(Command::script(script.as_str()).map_err(refused)?);
        }
        for text in &self.services {
            let (image, alias) = match text.split_once('=') {
                Some((image, alias)) => (image, Some(alias)),
                None => (text.as_str(), None),
            };
            let mut service = ServiceSpec::new(reference(image)?);
            service.aliases.extend(alias.map(ToOwned::to_owned));
            job.services.push(service);
        }
        job.volumes.extend(self.volumes.iter().cloned());
        for text in &self.variables {
            job.variables.push(Variable::parse(text).map_err(refused)?);
        }
        self.add_secrets(&mut job)?;
        Ok(job)
    }

    /// How long the job may take, as a person reads it.
    pub(super) fn timeout_words(&self) -> Option<String> {
        self.timeout.map(|limit| humantime::format_duration(limit).to_string())
    }

    fn base(&self, default_image: Option<&ImageSpec>) -> Result<JobSpec, Failure> {
        let image = self.image.as_deref().map(reference).transpose()?.map(ImageSpec::from);
        let step = match self.command.as_slice() {
            [] => None,
            [script] => Some(Command::script(script.as_str())),
            words => Some(Command::program(words.iter().cloned())),
        };
        let step = step.transpose().map_err(refused)?;
        if let Some(path) = &self.file {
            let mut job = read_file(path)?;
            if let Some(image) = image {
                job.image = image;
            }
            self.scope.apply(&mut job);
            if let Some(command) = step {
                job.steps = vec![StepSpec::new("script", command)];
            }
            return Ok(job);
        }
        let Some(image) = image.or_else(|| default_image.cloned()) else {
            return Err(Failure::new("no image is given", "give one with --image"));
        };
        let Some(command) = step else {
            return Err(Failure::new("there is nothing to run", "give a script after `--`"));
        };
        let scope = self.scope.scope()?;
        let mut job = JobSpec::new(scope.project, scope.trust, image, command);
        job.key = scope.key;
        Ok(job)
    }

    fn add_secrets(&self, job: &mut JobSpec) -> Result<(), Failure> {
        for text in &self.secrets {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (text.as_str(), from_environment(text)?),
            };
            job.variables.push(Variable::new(name, value).map_err(refused)?.masked());
        }
        for text in &self.secret_files {
            let (name, path) = pair(text, "--secret-file")?;
            let value = fs::read_to_string(&path).map_err(|error| {
                Failure::new(
                    format!("the secret file {path} cannot be read: {error}"),
                    "give --secret-file a text file that you may read",
                )
            })?;
            job.variables.push(Variable::new(name, value).map_err(refused)?.masked().file());
        }
        Ok(())
    }
}

fn from_environment(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| {
        Failure::new(
            format!("the secret {name:?} has no value, and no variable here has its name"),
            "write --secret NAME=VALUE, or export the variable",
        )
    })
}

/// Reads a job file: JSON when its name ends so, and else TOML.
fn read_file(path: &std::path::Path) -> Result<JobSpec, Failure> {
    let shown = path.display();
    let hint = "docs/jobs.md has every key of a job file";
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(
            format!("the job file {shown} cannot be read: {error}"),
            "give --file a file in UTF-8 that you may read",
        )
    })?;
    let text = normalize_file_text(&text);
    if path.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|error| {
            let error = without_value(&error.to_string());
            Failure::new(format!("the job file {shown}: {error}"), hint)
        });
    }
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
        // The library's own text repeats lines of the file, which may hold secrets.
        let message = without_value(error.message());
        Failure::new(format!("the job file {shown}{place}: {message}"), hint)
    })
}

/// The message of a parser without the value that it found, which may be a secret: a number that was to be
/// a password.
fn without_value(message: &str) -> String {
    let value = ["invalid type: ", "invalid value: "].into_iter().find_map(|words| {
        let start = message.find(words)? + words.len();
        let end = message.rfind(", expected ")?;
        // `integer `123456``, `string "s3cret"`: the kind stays.
        let kind = message.get(start..end)?.find(['`', '"'])?;
        Some((start + kind, end))
    });
    match value {
        Some((start, end)) => format!("{}{}", message[..start].trim_end(), &message[end..]),
        None => message.to_owned(),
    }
}

fn reference(text: &str) -> Result<ImageReference, Failure> {
    ImageReference::new(text).map_err(|error| {
        Failure::from_error(&error, Some("write it as NAME, NAME:TAG or NAME@DIGEST".into()))
    })
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn refused(error: JobError) -> Failure {
    Failure::explain(&error)
}

fn pull_policy(text: &str) -> Result<PullPolicy, String> {
    let all = [PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never];
    let found = all.into_iter().find(|policy| policy.as_str() == text);
    found.ok_or_else(|| "it is none of always, if-not-present and never".to_owned())
}

#[cfg(test)]
mod tests {
    use super::without_value;

    #[test]
    fn a_value_in_a_job_file_is_not_repeated() {
        for (message, shown) in [
            (
                "invalid type: integer `123456`, expected a string",
                "invalid type: integer, expected a string",
            ),
            (
                "invalid type: string \"s3, expected cret\", expected a boolean at line 3 column 9",
                "invalid type: string, expected a boolean at line 3 column 9",
            ),
            (
                "invalid type: sequence, expected a string",
                "invalid type: sequence, expected a string",
            ),
            ("unknown field `imge`, expected `image`", "unknown field `imge`, expected `image`"),
        ] {
            assert_eq!(without_value(message), shown);
        }
    }
}
