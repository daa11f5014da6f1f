//! Pulls.

use docker_api_trait::{ApiError, PullProgress, PullRequest, PullStream};
use futures_util::{StreamExt as _, stream};

use super::{FakeDocker, image, reference, registry::version};

/// Setting it up, and looking at it.
impl FakeDocker {
    /// Fails the next `count` pulls with these words of the engine's, as when a registry cannot be
    /// reached for a while. A second call replaces the first.
    pub fn fail_pulls(&self, count: usize, message: &str) {
        self.state().registry.failing = Some((count, message.to_owned()));
    }

    /// Lets every later pull begin and then say nothing, for ever.
    pub fn stall_pulls(&self) {
        self.state().registry.stalled = true;
    }

    /// The request of every call of `pull_image` so far, in order, whatever became of it. This does
    /// not count as a call.
    pub fn pull_requests(&self) -> Vec<PullRequest> {
        self.state().registry.requests.clone()
    }

    pub(super) fn pull(&self, request: &PullRequest) -> Result<PullStream, ApiError> {
        let name = reference::canonical(request.image.as_str());
        let (mut details, stalled) = {
            let mut state = self.state();
            let any = state.any_image;
            let details = state.registry.give(&name, request.credential.as_ref(), any)?;
            (details, state.registry.stalled)
        };
        if let Some(platform) = request.platform.as_deref().filter(|platform| !platform.is_empty())
        {
            reference::set_platform(&mut details, platform);
        }
        let repository = reference::repository(&name);
        let digest = details.digests.first().and_then(|digest| digest.split_once('@'));
        let digest = digest.map(|(_, digest)| digest.to_owned()).unwrap_or_default();
        let begin = [
            message(Some(version(&name).to_owned()), format!("Pulling from {repository}")),
            message(Some("0123456789ab".to_owned()), "Pull complete".to_owned()),
            message(None, format!("Digest: {digest}")),
        ];
        if stalled {
            let begin = begin.into_iter().take(1).map(Ok);
            return Ok(stream::iter(begin).chain(stream::pending()).boxed());
        }
        let docker = self.clone();
        let end = stream::once(async move {
            let status = format!("Status: Downloaded newer image for {name}");
            image::put(&mut docker.state(), name, details);
            Ok(message(None, status))
        });
        Ok(stream::iter(begin.map(Ok)).chain(end).boxed())
    }
}

fn message(layer: Option<String>, status: String) -> PullProgress {
    let mut message = PullProgress::default();
    message.layer = layer;
    message.status = status;
    message
}
