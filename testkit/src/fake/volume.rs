//! `VolumeApi` on the fake.

use std::collections::BTreeMap;

use async_trait::async_trait;
use docker_api_trait::{
    ApiError, LabelFilter, Operation, Volume, VolumeApi, VolumeName, VolumeRequest,
};

use tokio::time::Instant;

use super::{
    FakeDocker,
    state::{State, StoredVolume},
};

/// The driver that every engine has.
const LOCAL: &str = "local";

/// The options that the local driver knows, each with those that it does not go without.
/// Measured on Engine 20.10: `size` is refused where the file system has no quotas.
const LOCAL_OPTIONS: [(&str, &[&str]); 3] =
    [("device", &["type"]), ("o", &["device", "type"]), ("type", &["device"])];

#[async_trait]
impl VolumeApi for FakeDocker {
    /// Measured on Engine 20.10: a taken name is answered with the volume that has it, and neither
    /// the labels nor the options of the request are looked at. A driver is looked up first.
    async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ApiError> {
        let reply = self.admit(Operation::CreateVolume).await?;
        let outcome = create(&mut self.state(), Operation::CreateVolume, request);
        reply.deliver(outcome).await
    }

    async fn inspect_volume(&self, name: &VolumeName) -> Result<Volume, ApiError> {
        let operation = Operation::InspectVolume;
        let reply = self.admit(operation).await?;
        let found = self.state().volumes.get(name.as_str()).map(|stored| stored.volume.clone());
        reply.deliver(found.ok_or_else(|| no_such_volume(operation, name))).await
    }

    async fn list_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<Volume>, ApiError> {
        let reply = self.admit(Operation::ListVolumes).await?;
        let mut volumes = self.volumes();
        volumes.retain(|volume| labels.iter().all(|label| label.matches(&volume.labels)));
        reply.deliver(Ok(volumes)).await
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ApiError> {
        let reply = self.admit(Operation::RemoveVolume).await?;
        let outcome = remove(&mut self.state(), name);
        reply.deliver(outcome).await
    }

    async fn prune_volumes(&self, labels: &[LabelFilter]) -> Result<Vec<String>, ApiError> {
        let reply = self.admit(Operation::PruneVolumes).await?;
        let names = prune(&mut self.state(), labels);
        reply.deliver(Ok(names)).await
    }
}

/// Removes the volumes with these labels that no container refers to.
fn prune(state: &mut State, labels: &[LabelFilter]) -> Vec<String> {
    let unused = |(name, stored): (&String, &StoredVolume)| {
        let matches = labels.iter().all(|label| label.matches(&stored.volume.labels));
        (matches && state.users_of(name).is_empty()).then(|| name.clone())
    };
    let names: Vec<String> = state.volumes.iter().filter_map(unused).collect();
    for name in &names {
        state.volumes.remove(name);
    }
    names
}

/// Creates a volume, or returns the one that has the name.
///
/// Measured on Engine 20.10: for a mount it does the same with what the mount says, and the volume
/// stays when the creation of the container fails afterwards.
pub(super) fn create(
    state: &mut State,
    operation: Operation,
    request: &VolumeRequest,
) -> Result<Volume, ApiError> {
    let name = request.name.as_str();
    if let Some(driver) = &request.driver
        && driver != LOCAL
        && !state.volumes.values().any(|stored| stored.volume.driver == *driver)
    {
        let message = format!(
            "create {name}: error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        );
        return Err(ApiError::NotFound { operation, message });
    }
    if let Some(StoredVolume { volume: existing, .. }) = state.volumes.get(name) {
        return match &request.driver {
            Some(driver) if *driver != existing.driver => Err(ApiError::Conflict {
                operation,
                message: format!(
                    "create {name}: driver '{}' already has volume '{name}': volume name must be \
                     unique",
                    existing.driver
                ),
            }),
            _ => Ok(existing.clone()),
        };
    }
    let driver = request.driver.as_deref().unwrap_or(LOCAL);
    if driver == LOCAL {
        check_local_options(&request.options).map_err(|complaint| ApiError::Rejected {
            operation,
            message: format!("create {name}: {complaint}"),
        })?;
    }
    let mut volume = Volume::local(name);
    driver.clone_into(&mut volume.driver);
    volume.options = request.options.clone();
    volume.labels = request.labels.clone();
    volume.mountpoint = mountpoint(name);
    volume.created = Some(state.time(Instant::now()));
    state.volumes.insert(name.to_owned(), StoredVolume::from(volume.clone()));
    Ok(volume)
}

fn remove(state: &mut State, name: &VolumeName) -> Result<(), ApiError> {
    let operation = Operation::RemoveVolume;
    if !state.volumes.contains_key(name.as_str()) {
        return Err(no_such_volume(operation, name));
    }
    let users = state.users_of(name.as_str());
    if !users.is_empty() {
        let users: Vec<_> = users.iter().map(|user| user.summary.id.as_str()).collect();
        let message = format!("remove {name}: volume is in use - [{}]", users.join(", "));
        return Err(ApiError::Conflict { operation, message });
    }
    state.volumes.remove(name.as_str());
    Ok(())
}

fn mountpoint(name: &str) -> String {
    format!("/var/lib/docker/volumes/{name}/_data")
}

fn no_such_volume(operation: Operation, name: &VolumeName) -> ApiError {
    // `get` also in the answer to a removal: measured on Engine 20.10.
    ApiError::NotFound { operation, message: format!("get {name}: no such volume") }
}

/// The engine's complaint about options for the local driver, in its words.
fn check_local_options(options: &BTreeMap<String, String>) -> Result<(), String> {
    for option in options.keys() {
        if option == "size" {
            return Err("quota size requested but no quota support".to_owned());
        }
        if !LOCAL_OPTIONS.iter().any(|(known, _)| known == option) {
            return Err(format!("invalid option: \"{option}\""));
        }
    }
    for (option, needed) in LOCAL_OPTIONS {
        if options.contains_key(option)
            && let Some(missing) = needed.iter().find(|needed| !options.contains_key(**needed))
        {
            return Err(format!("missing required option: \"{missing}\""));
        }
    }
    Ok(())
}
