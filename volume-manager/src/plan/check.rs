//! What no plan may have, whatever the policy says.

use super::error::PlanError;
use crate::{
    identity::{Provenance, Scope, VolumeDriver},
    path::ContainerPath,
};

/// The longest text that becomes a label.
const LONGEST_FIELD: usize = 1024;

/// What becomes a label, whole: much of it is written by a job's author.
pub(super) fn check_texts(scope: &Scope, provenance: &Provenance) -> Result<(), PlanError> {
    let fields = [
        ("owner", &scope.owner),
        ("project", &scope.project),
        ("key", &scope.key),
        ("run", &provenance.run),
        ("instance", &provenance.instance),
        ("job", &provenance.job),
    ];
    let optional = [("pipeline", &provenance.pipeline), ("ref", &provenance.reference)];
    let optional = optional.iter().filter_map(|(field, value)| Some((*field, value.as_ref()?)));
    for (field, value) in fields.into_iter().chain(optional) {
        let problem = if value.len() > LONGEST_FIELD {
            "is longer than 1,024 bytes"
        } else if value.chars().any(char::is_control) {
            "has a control character in it"
        } else {
            continue;
        };
        return Err(PlanError::Text { field, problem });
    }
    Ok(())
}

/// A plugin has a name such as an image has. Without one, the engine would take its own driver.
pub(super) fn check_driver(driver: &VolumeDriver) -> Result<(), PlanError> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    if driver.name.is_empty() || !driver.name.bytes().all(is_name) {
        return Err(PlanError::Driver { name: format!("{:?}", driver.name) });
    }
    Ok(())
}

pub(super) fn check_destination(destination: &ContainerPath) -> Result<(), PlanError> {
    if destination.is_reserved() {
        return Err(PlanError::ReservedDestination { destination: destination.clone() });
    }
    Ok(())
}
