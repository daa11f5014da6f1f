//! What build containers, helpers, services and networks have in common.

use std::collections::BTreeMap;

use docker_api_trait::{ContainerName, HostSettings};
use volume_manager::{label, name};

use super::{ImagePlan, JobNote, planner::Planner};
use crate::{
    image::{AllowKind, AllowList, allowed_policies},
    job::{ImageSpec, JobError},
};

/// `berth-LETTER-HINT-RUN`, as in the public format of names.
pub(super) fn object_name(
    letter: &str,
    hint: &str,
    run: &str,
    suffix: &str,
) -> Result<ContainerName, JobError> {
    let text = format!("{}{letter}-{}-{run}{suffix}", name::PREFIX, name::hint(hint));
    ContainerName::new(text).map_err(|_| JobError::RunId)
}

pub(super) fn labels(
    planner: &Planner<'_>,
    kind: &str,
) -> Result<BTreeMap<String, String>, JobError> {
    let mut labels = BTreeMap::new();
    for (key, value) in &planner.config.containers.labels {
        if key.starts_with(label::PREFIX) {
            return Err(JobError::ReservedLabel { key: key.clone() });
        }
        labels.insert(key.clone(), planner.expand("label", value)?);
    }
    labels.extend(label::common(kind, &planner.scope, &planner.provenance));
    if let Some(deadline) = planner.provenance.deadline {
        labels.insert(label::DEADLINE.to_owned(), label::timestamp(deadline));
    }
    Ok(labels)
}

/// What a container may have of its host: the configuration's, without privileges where the image is
/// none of those that may have them, and without swap beyond a bound on memory.
pub(super) fn host(
    configured: &HostSettings,
    privileged: &[String],
    kind: AllowKind,
    image: &ImageSpec,
    notes: &mut Vec<JobNote>,
) -> Result<HostSettings, JobError> {
    let mut host = configured.clone();
    if host.privileged {
        let allowed = AllowList::new(kind, privileged)?;
        if allowed.check_image(image.name.as_str(), &[]).is_err() {
            host.privileged = false;
            notes.push(JobNote::NotPrivileged { image: image.name.to_string() });
        }
    }
    if host.memory_swap.is_none() {
        host.memory_swap = host.memory.and_then(|memory| i64::try_from(memory).ok());
    }
    Ok(host)
}

pub(super) fn planned_image(
    planner: &Planner<'_>,
    image: &ImageSpec,
) -> Result<ImagePlan, JobError> {
    let images = &planner.config.images;
    Ok(ImagePlan {
        reference: image.name.clone(),
        platform: image.platform.clone(),
        pull_policies: allowed_policies(
            &image.pull_policies,
            &images.pull_policies,
            &images.allowed_pull_policies,
        )?,
    })
}
