//! The oracle: `docker run` with the script as a file, and nothing of Berth.

use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{process::Command, sync::OnceCell, time::timeout};

use crate::{
    compare::{Ended, Seen},
    script::{Script, Setting, Shell, image, user},
};

/// Where the script is in the container. `/dev` exists in every container.
const SCRIPT: &str = "/dev/script";
/// The longest that a script may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The host name of all containers, which scripts can see.
pub(crate) const HOST_NAME: &str = "plain";

/// What the executor's containers have unless the configuration says otherwise.
const HARDENING: [&str; 4] = ["--security-opt", "no-new-privileges", "--pids-limit", "4096"];

/// Runs a script in a plain shell.
pub(crate) async fn run(script: &Script, shell: Shell) -> Seen {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("script");
    std::fs::write(&file, &*script.text()).unwrap();
    let words = command_line(shell).await;
    let variables: Vec<String> =
        script.variables.iter().map(|(name, value)| format!("--env={name}={value}")).collect();
    let words: Vec<&str> = variables.iter().map(String::as_str).chain(words).collect();
    docker_run(script.setting, shell, Some(&file), &words).await
}

/// The image's place among the words is after the options, which end with the variables.
async fn docker_run(setting: Setting, shell: Shell, file: Option<&Path>, words: &[&str]) -> Seen {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("plain-{}-{count}", std::process::id());
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--init", "--network", "none", "--hostname", HOST_NAME]);
    command.args(HARDENING).args(["--name", &name]);
    if let Some(user) = user(setting) {
        command.args(["--user", user]);
    }
    if let Some(file) = file {
        command.arg(format!("--volume={}:{SCRIPT}:ro", file.display()));
    }
    let options = words.iter().take_while(|word| word.starts_with("--env=")).count();
    let (variables, words) = words.split_at(options);
    command.args(variables).arg(image(shell, setting)).args(words);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let Ok(output) = timeout(LIMIT, command.output()).await else {
        let remove = Command::new("docker").args(["rm", "--force", &name]).output().await;
        return Seen::ended(Ended::Otherwise(format!("not done after a minute; {remove:?}")));
    };
    let output = output.unwrap();
    let code = output.status.code().unwrap();
    Seen::new(&output.stdout, &output.stderr, SCRIPT, Ended::Code(code.into()))
}

/// The words that run the script, with the place of bash and the options that docs/jobs.md names.
async fn command_line(shell: Shell) -> Vec<&'static str> {
    if shell == Shell::Bash {
        vec!["/usr/bin/bash", "-e", "-o", "pipefail", SCRIPT]
    } else if has_pipefail(shell).await {
        vec!["/bin/sh", "-e", "-o", "pipefail", SCRIPT]
    } else {
        vec!["/bin/sh", "-e", SCRIPT]
    }
}

/// Whether the image's `sh` knows the option: that depends on the version.
async fn has_pipefail(shell: Shell) -> bool {
    static ASH: OnceCell<bool> = OnceCell::const_new();
    static DASH: OnceCell<bool> = OnceCell::const_new();
    let cell = if shell == Shell::Ash { &ASH } else { &DASH };
    let probe = async {
        let words = ["/bin/sh", "-o", "pipefail", "-c", "true"];
        docker_run(Setting::Usual, shell, None, &words).await.ended == Ended::Code(0)
    };
    *cell.get_or_init(|| probe).await
}
