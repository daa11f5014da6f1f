//! `ImageApi` on the fake.

use async_trait::async_trait;
use bytes::Bytes;
use docker_api_trait::{
    ApiError, ImageApi, ImageDetails, ImageReference, Operation, PullProgress, PullStream,
};
use futures_util::{StreamExt as _, stream};

use super::{FakeDocker, state::State};

#[async_trait]
impl ImageApi for FakeDocker {
    async fn inspect_image(&self, image: &ImageReference) -> Result<ImageDetails, ApiError> {
        let operation = Operation::InspectImage;
        let reply = self.admit(operation).await?;
        let found = find(&self.state(), image.as_str());
        reply.deliver(found.ok_or_else(|| ApiError::NotFound {
            operation,
            message: format!("no such image: {image}: {}", no_such_image(image)),
        }))
    }

    /// The image is on the engine when the stream has come to its end; a stream that is dropped
    /// before leaves nothing. What the engine has under the name already is replaced.
    async fn pull_image(&self, image: &ImageReference) -> Result<PullStream, ApiError> {
        let operation = Operation::PullImage;
        let reply = self.admit(operation).await?;
        let name = canonical(image.as_str());
        let known = {
            let state = self.state();
            state.any_image || state.registry.contains(&name)
        };
        if !known {
            let message = format!(
                "pull access denied for {}, repository does not exist or may require 'docker login'",
                repository(&name)
            );
            return reply.deliver(Err(ApiError::NotFound { operation, message }));
        }
        let (details, digest) = pulled(&name);
        let tag = name[repository(&name).len()..].trim_start_matches([':', '@']).to_owned();
        let begin = [
            message(Some(tag), format!("Pulling from {}", repository(&name))),
            message(Some("0123456789ab".to_owned()), "Pull complete".to_owned()),
            message(None, format!("Digest: {digest}")),
        ];
        let docker = self.clone();
        let end = stream::once(async move {
            let status = format!("Status: Downloaded newer image for {name}");
            docker.state().images.insert(name, details);
            Ok(message(None, status))
        });
        reply.deliver(Ok(stream::iter(begin.map(Ok)).chain(end).boxed()))
    }

    /// The archive is not unpacked; it only decides the image's id.
    async fn import_image(&self, image: &ImageReference, archive: Bytes) -> Result<(), ApiError> {
        let operation = Operation::ImportImage;
        let reply = self.admit(operation).await?;
        if image.as_str().contains('@') {
            let message = "cannot import digest reference".to_owned();
            return reply.deliver(Err(ApiError::Rejected { operation, message }));
        }
        let details = ImageDetails::new(id_of(&archive));
        self.state().images.insert(canonical(image.as_str()), details);
        reply.deliver(Ok(()))
    }
}

/// Puts an image on the engine as if it had been built there.
pub(super) fn add(state: &mut State, reference: &str) {
    let name = canonical(reference);
    let details = local(&name);
    state.images.insert(name, details);
}

/// The id of an image, which is put on the engine when it is not there.
pub(super) fn id_or_add(state: &mut State, reference: &str) -> String {
    if !state.images.contains_key(&canonical(reference)) {
        add(state, reference);
    }
    find(state, reference).map(|image| image.id).unwrap_or_default()
}

/// The image of this name, digest or id.
pub(super) fn find(state: &State, reference: &str) -> Option<ImageDetails> {
    let name = canonical(reference);
    let by_name = state.images.get(&name);
    let image = by_name.or_else(|| {
        state.images.values().find(|image| image.id == reference || image.digests.contains(&name))
    });
    image.cloned().or_else(|| state.any_image.then(|| local(&name)))
}

/// The engine's words for an image that it does not have.
pub(super) fn no_such_image(image: &ImageReference) -> String {
    format!("No such image: {}", canonical(image.as_str()))
}

/// The one form of a reference: without the default registry, with a digest or else a tag. An id
/// stays as it is.
pub(super) fn canonical(reference: &str) -> String {
    if reference.starts_with("sha256:") {
        return reference.to_owned();
    }
    let name = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|registry| reference.strip_prefix(registry))
        .unwrap_or(reference);
    let name = name.strip_prefix("library/").unwrap_or(name);
    match name.split_once('@') {
        // Beside a digest, a tag means nothing.
        Some((tagged, digest)) => format!("{}@{digest}", repository(tagged)),
        None if repository(name) == name => format!("{name}:latest"),
        None => name.to_owned(),
    }
}

/// A reference without its tag and digest. A colon before the last slash is a port's.
fn repository(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    name[last..].find(':').map_or(name, |colon| &name[..last + colon])
}

/// An image that no registry knows has no digests.
fn local(name: &str) -> ImageDetails {
    ImageDetails::new(id_of(name.as_bytes()))
}

/// An image and the digest that its registry knows it by.
fn pulled(name: &str) -> (ImageDetails, String) {
    let mut image = local(name);
    let digest =
        name.split_once('@').map_or_else(|| image.id.clone(), |(_, digest)| digest.to_owned());
    image.digests = vec![format!("{}@{digest}", repository(name))];
    (image, digest)
}

/// An id that only depends on `content`, so that it is the same in every process: FNV-1a, four
/// times with other beginnings. It looks like SHA-256 and promises nothing of the kind.
fn id_of(content: &[u8]) -> String {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let words = [0, 1, 2, 3].map(|salt| {
        let hash = content
            .iter()
            .fold(BASIS ^ salt, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
        format!("{hash:016x}")
    });
    format!("sha256:{}", words.concat())
}

fn message(layer: Option<String>, status: String) -> PullProgress {
    let mut message = PullProgress::default();
    message.layer = layer;
    message.status = status;
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_image_have_one_form() {
        for (given, form) in [
            ("busybox", "busybox:latest"),
            ("library/busybox", "busybox:latest"),
            ("docker.io/library/busybox:1.36", "busybox:1.36"),
            ("docker.io/team/tool", "team/tool:latest"),
            ("localhost:5000/tool", "localhost:5000/tool:latest"),
            ("localhost:5000/tool:1", "localhost:5000/tool:1"),
            ("tool@sha256:00", "tool@sha256:00"),
            ("tool:1@sha256:00", "tool@sha256:00"),
            ("sha256:00", "sha256:00"),
        ] {
            assert_eq!(canonical(given), form, "{given}");
        }
    }

    #[test]
    fn a_repository_has_no_tag_and_no_digest_but_perhaps_a_port() {
        assert_eq!(repository("localhost:5000/tool:1"), "localhost:5000/tool");
        assert_eq!(repository("localhost:5000/tool"), "localhost:5000/tool");
        assert_eq!(repository("tool:1@sha256:00"), "tool");
    }
}
