//! Which texts of a job are masked.

use std::collections::BTreeSet;

use super::{JobNote, Secret, StepPlan, planner::Planner, secret::mask_name};
use crate::{
    job::JobError,
    log::{is_too_short_to_mask, mask_forms},
};

/// Returns the texts that are masked, in order, and notes each secret that is too short for that.
pub(super) fn secrets(
    planner: &Planner<'_>,
    notes: &mut Vec<JobNote>,
) -> Result<Vec<Secret>, JobError> {
    let Planner { job, config, .. } = planner;
    // Also a value that a later one of its name replaces: it was given as a secret.
    let given = config.variables.iter().chain(&job.variables);
    let given = given.filter(|variable| variable.is_masked());
    let mut secrets: Vec<(String, String)> =
        given.map(|one| (one.name().to_owned(), one.value().to_owned())).collect();
    let of_services = job.services.iter().flat_map(|service| &service.variables);
    for variable in of_services.filter(|variable| variable.is_masked()) {
        let value = planner.expand_private("service's variable", variable.value())?;
        secrets.push((variable.name().to_owned(), value));
    }
    for login in &job.registries {
        let name = format!("password for {}", login.registry);
        secrets.push((name, login.password.clone()));
    }
    let mut short = BTreeSet::new();
    let mut forms = BTreeSet::new();
    for (name, value) in &secrets {
        if is_too_short_to_mask(value) {
            short.insert(name);
        }
        forms.extend(mask_forms(value).into_iter().map(Secret));
    }
    notes.extend(short.into_iter().map(|name| JobNote::ShortSecret { name: name.clone() }));
    Ok(forms.into_iter().collect())
}

/// Masks the names of steps, which are shown as progress, in the log's section markers and in the report.
///
/// # Errors
/// [`JobError::StepName`] for two steps whose names only a secret tells apart.
pub(super) fn mask_step_names(steps: &mut [StepPlan], secrets: &[Secret]) -> Result<(), JobError> {
    let mut seen = BTreeSet::new();
    for step in steps {
        step.name = mask_name(&step.name, secrets);
        if !seen.insert(&step.name) {
            let problem = "another step has it when its secret is masked";
            return Err(JobError::StepName { name: step.name.clone(), problem });
        }
    }
    Ok(())
}
