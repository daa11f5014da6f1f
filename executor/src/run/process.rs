//! The processes of a running container, asked about and spoken to from beside its shell.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, DockerApi, ExecRequest};
use futures_util::StreamExt as _;
use tokio::time::timeout;

/// Asks every process of a container to stop, but the first and the one that says so.
const STOP: &str = "kill -TERM -1";

/// Ends when nothing is left of what a step ran. The init process takes care of what lost its parent;
/// the shell is the one child of its own.
const GONE: &str = r#"while :; do
children=0
for status in /proc/[0-9]*/status; do
state=
while read -r key value rest; do
case $key in
State:) state=$value ;;
PPid:)
if [ "$value" = 1 ] && [ "$state" != Z ]; then children=$((children + 1)); fi
break ;;
esac
done <"$status"
done
[ "$children" -gt 1 ] || exit 0
sleep 0.1 || sleep 1
done 2>/dev/null"#;

/// Prints how often the kernel has killed in the control group, in either version of these.
const KILLS: &str = "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control \
                     2>/dev/null";
/// So much of an output is kept.
const LONGEST: usize = 64 << 10;
/// What is only asked to put it better may not take long.
const CURIOSITY: Duration = Duration::from_secs(2);

/// Asks the processes of a container to stop, its shell's own trap apart. The container must have a
/// process name space of its own: every process that it sees is asked.
pub(crate) async fn ask(docker: &dyn DockerApi, container: &ContainerId) -> Result<(), ApiError> {
    run(docker, container, STOP).await.map(drop)
}

/// Returns when what a step ran is gone, or cannot be looked for.
pub(crate) async fn gone(docker: &dyn DockerApi, container: &ContainerId) {
    if let Err(error) = run(docker, container, GONE).await {
        tracing::debug!(%container, %error, "what is left of the step is not known");
    }
}

/// Whether the kernel has killed a process of a running container for lack of memory. Where that
/// cannot be told, it is taken not to have.
pub(crate) async fn was_short_of_memory(docker: &dyn DockerApi, container: &ContainerId) -> bool {
    match timeout(CURIOSITY, run(docker, container, KILLS)).await {
        Ok(Ok(text)) => has_kills(&text),
        Ok(Err(_)) | Err(_) => false,
    }
}

fn has_kills(text: &str) -> bool {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
}

/// Runs a script of ours as whoever the container runs as; its output. Root would not do: beside
/// processes of another user it has no right to signal any but its own.
async fn run(
    docker: &dyn DockerApi,
    container: &ContainerId,
    script: &str,
) -> Result<String, ApiError> {
    let request = ExecRequest::new(["sh", "-c", script]);
    let exec = docker.create_exec(container, &request).await?;
    let mut output = docker.start_exec(&exec).await?;
    let mut text = Vec::new();
    while let Some(piece) = output.next().await {
        if let Ok(piece) = piece {
            // What answers to `sh` is the image's, and may never end.
            let room = LONGEST.saturating_sub(text.len()).min(piece.bytes.len());
            text.extend_from_slice(&piece.bytes[..room]);
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_in_both_versions_of_control_groups() {
        let second = "low 0\nhigh 0\nmax 83\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert!(has_kills(second));
        assert!(has_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n"));
        assert!(!has_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"));
        assert!(!has_kills(""));
    }
}
