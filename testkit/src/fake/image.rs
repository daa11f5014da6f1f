//! `ImageApi` on the fake.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use docker_api_trait::{
    ApiError, ContainerRequest, ContainerStatus, Health, HealthStatus, ImageApi, ImageDetails,
    ImageReference, ImageSummary, LabelFilter, Operation, PullRequest, PullStream,
};
use tokio::time::Instant;

use super::{
    FakeDocker,
    life::Condition,
    reference::{canonical, id_of, local, of_this_platform, set_platform},
    state::State,
};

#[async_trait]
impl ImageApi for FakeDocker {
    async fn inspect_image(&self, image: &ImageReference) -> Result<ImageDetails, ApiError> {
        let operation = Operation::InspectImage;
        let reply = self.admit(operation).await?;
        let found = find(&self.state(), image.as_str());
        reply
            .deliver(found.ok_or_else(|| ApiError::NotFound {
                operation,
                message: format!("no such image: {image}: {}", no_such_image(image)),
            }))
            .await
    }

    /// The image is on the engine when the stream has come to its end; a stream that is dropped
    /// before leaves nothing. What the engine has under the name already is replaced. Every image is
    /// there for every platform.
    async fn pull_image(&self, request: &PullRequest) -> Result<PullStream, ApiError> {
        // The journal holds the requests of refused and held calls too.
        self.state().registry.note(request);
        let reply = self.admit(Operation::PullImage).await?;
        let outcome = self.pull(request);
        reply.deliver(outcome).await
    }

    /// The archive is not unpacked; it only decides the image's id.
    async fn import_image(&self, image: &ImageReference, archive: Bytes) -> Result<(), ApiError> {
        let operation = Operation::ImportImage;
        let reply = self.admit(operation).await?;
        if image.as_str().contains('@') {
            let message = "cannot import digest reference".to_owned();
            return reply.deliver(Err(ApiError::Rejected { operation, message })).await;
        }
        let details = of_this_platform(id_of(&archive));
        put(&mut self.state(), canonical(image.as_str()), details);
        reply.deliver(Ok(())).await
    }

    /// Images that only exist because of
    /// [`with_any_image`](FakeDocker::with_any_image) are not listed and cannot be removed.
    async fn list_images(&self, labels: &[LabelFilter]) -> Result<Vec<ImageSummary>, ApiError> {
        let reply = self.admit(Operation::ListImages).await?;
        let mut images = list(&self.state());
        images.retain(|image| labels.iter().all(|label| label.matches(&image.labels)));
        reply.deliver(Ok(images)).await
    }

    async fn remove_image(&self, image: &ImageReference) -> Result<(), ApiError> {
        let reply = self.admit(Operation::RemoveImage).await?;
        let outcome = remove(&mut self.state(), image);
        reply.deliver(outcome).await
    }
}

/// Gives an image a name. The one that had it stays, nameless but for its id.
pub(super) fn put(state: &mut State, name: String, image: ImageDetails) {
    let id = image.id.clone();
    if let Some(before) = state.images.insert(name, image).filter(|before| before.id != id) {
        state.images.insert(before.id.clone(), before);
    }
}

/// Whether a key of the images is a name, not the id of an image without one.
fn is_name(key: &str) -> bool {
    !key.starts_with("sha256:")
}

fn list(state: &State) -> Vec<ImageSummary> {
    let mut images = BTreeMap::<&str, ImageSummary>::new();
    for (name, details) in &state.images {
        let image =
            images.entry(&details.id).or_insert_with(|| ImageSummary::new(details.id.as_str()));
        image.labels.clone_from(&details.labels);
        image.digests.extend(details.digests.iter().cloned());
        if is_name(name) && !name.contains('@') {
            image.tags.push(name.clone());
        }
    }
    let mut images: Vec<_> = images.into_values().collect();
    for image in &mut images {
        image.digests.sort();
        image.digests.dedup();
    }
    images
}

/// Removes a name or an image.
///
/// Measured on Engine 20.10: a container does not keep a name that is not the image's last.
fn remove(state: &mut State, image: &ImageReference) -> Result<(), ApiError> {
    let operation = Operation::RemoveImage;
    let key = canonical(image.as_str());
    let by_id = || state.images.values().find(|found| found.id == key);
    let Some(id) = state.images.get(&key).or_else(by_id).map(|found| found.id.clone()) else {
        return Err(ApiError::NotFound { operation, message: no_such_image(image) });
    };
    let names = state.images.iter().filter(|(name, found)| is_name(name) && found.id == id).count();
    if names > 1 {
        if !is_name(&key) {
            let message = format!(
                "conflict: unable to delete {id} (must be forced) - image is referenced in multiple \
                 repositories"
            );
            return Err(ApiError::Conflict { operation, message });
        }
        state.images.remove(&key);
        return Ok(());
    }
    if let Some((user, _)) = state.containers.iter().find(|(_, container)| container.image == id) {
        let message = format!(
            "conflict: unable to remove repository reference \"{image}\" (must force) - container \
             {user} is using its referenced image {id}"
        );
        return Err(ApiError::Conflict { operation, message });
    }
    state.images.retain(|_, found| found.id != id);
    Ok(())
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

/// Changes an image wherever it is, or one that is put on the engine; its id.
pub(super) fn change(
    state: &mut State,
    reference: &str,
    change: impl FnOnce(&mut ImageDetails),
) -> String {
    let name = canonical(reference);
    let in_registry = state.registry.details(&name).cloned();
    if in_registry.is_none() {
        id_or_add(state, reference);
    }
    let here = state.images.get(&name).cloned();
    let mut image = here.clone().or(in_registry).unwrap_or_else(|| local(&name));
    let own = (image.id.clone(), image.digests.clone());
    change(&mut image);
    (image.id, image.digests) = own;
    if here.is_some() {
        state.images.insert(name.clone(), image.clone());
    }
    if let Some(listed) = state.registry.details_mut(&name) {
        let digests = std::mem::take(&mut listed.digests);
        *listed = image.clone();
        listed.digests = digests;
    }
    image.id
}

/// What a container's health check says.
///
/// Measured on Engine 20.10: before the first start it says nothing, and after an end that the
/// container is unhealthy.
pub(super) fn health(
    state: &State,
    image: &str,
    condition: &Condition,
    now: Instant,
) -> Option<Health> {
    let verdict = state.health.get(image);
    let checked = state.images.values().any(|found| found.id == image && found.has_health_check);
    let started = condition.started_at.filter(|_| checked || verdict.is_some())?;
    if condition.status != ContainerStatus::Running {
        return Some(Health::new(HealthStatus::Unhealthy));
    }
    let verdict = verdict.filter(|(after, _)| now.duration_since(started) >= *after);
    let starting = || Health::new(HealthStatus::Starting);
    Some(verdict.map_or_else(starting, |(_, verdict)| verdict.clone()))
}

/// Measured on Engine 20.10: an image for another platform counts as none.
pub(super) fn check_platform(
    state: &State,
    request: &ContainerRequest,
    image: &ImageDetails,
) -> Result<(), ApiError> {
    let Some(wanted) = request.platform.as_deref().filter(|wanted| !wanted.is_empty()) else {
        return Ok(());
    };
    let mut other = image.clone();
    set_platform(&mut other, wanted);
    // An image that is nowhere in particular is there for all.
    if other == *image || (state.any_image && !state.images.values().any(|known| known == image)) {
        return Ok(());
    }
    let message = format!(
        "image with reference {} was found but does not match the specified platform: wanted \
         {wanted}, actual: {}/{}",
        request.image, image.os, image.architecture
    );
    Err(ApiError::NotFound { operation: Operation::CreateContainer, message })
}
