//! Asking the engine whether a container runs on.

use std::time::Duration;

use docker_api_trait::{ApiError, ContainerId, ContainerStatus, DockerApi, ExitStatus};
use tokio::time::{Instant, sleep};

/// The engine is asked so often whether a container runs on: the wait for its exit may be lost, or
/// its engine hang, without a sign.
const POLL_INTERVAL: Duration = Duration::from_secs(15);
/// How long an engine may hang, one that takes connections and answers nothing.
const HANG_TIMEOUT: Duration = Duration::from_mins(1);

/// Returns when the engine has reported the container's exit twice, with the exit; or, with the last
/// error, when the engine has not answered for a minute.
pub(crate) async fn poll_exit(
    docker: &dyn DockerApi,
    id: &ContainerId,
) -> Result<ExitStatus, ApiError> {
    let mut answered = Instant::now();
    let mut seen_ended = false;
    loop {
        sleep(POLL_INTERVAL).await;
        match docker.inspect_container(id).await {
            Ok(details) if details.status == ContainerStatus::Exited => {
                // Once may be the moment before the news comes.
                if std::mem::replace(&mut seen_ended, true) {
                    return Ok(ExitStatus::new(details.exit_code));
                }
                answered = Instant::now();
            }
            Ok(_) => {
                answered = Instant::now();
                seen_ended = false;
            }
            Err(error) if answered.elapsed() >= HANG_TIMEOUT => return Err(error),
            Err(_) => {}
        }
    }
}
