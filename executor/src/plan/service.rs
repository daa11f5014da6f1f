//! The services of a job.

use std::collections::BTreeSet;

use super::{
    JobNote, NetworkPlan, ServicePlan,
    limit::{check_arguments, check_lengths},
    network::{mode, shared_network},
    object::{host, labels, object_name, planned_image},
    planner::Planner,
};
use crate::{
    image::{AllowKind, AllowList},
    job::{JobError, ServiceSpec},
};

/// The variable that names the port to wait for, as in GitLab Runner.
const PORT: &str = "HEALTHCHECK_TCP_PORT";

/// The services that are started: the configuration's, then the job's.
pub(super) fn services(
    planner: &Planner<'_>,
    network: &NetworkPlan,
    notes: &mut Vec<JobNote>,
) -> Result<Vec<ServicePlan>, JobError> {
    let settings = &planner.config.services;
    let own = &planner.job.services;
    if let Some(limit) = settings.limit.filter(|limit| own.len() > *limit) {
        return Err(JobError::TooManyServices { services: own.len(), limit });
    }
    let configured = settings.definitions.iter().map(|service| service.image.name.as_str());
    let configured: Vec<_> = configured.collect();
    let images = &planner.config.images;
    let allowed = AllowList::new(AllowKind::Services, &images.allowed_services)?;
    for service in own {
        allowed.check_image(service.image.name.as_str(), &configured)?;
    }
    // Names of the job's own containers.
    let mut taken = BTreeSet::from(["build".to_owned(), "helper".to_owned()]);
    let mut services = Vec::new();
    for service in settings.definitions.iter().chain(own) {
        let aliases = free_aliases(planner, service, &mut taken, notes)?;
        let Some(title) = aliases.first().cloned() else {
            let service = service.image.name.to_string();
            notes.push(JobNote::ServiceLeftOut { service });
            continue;
        };
        services.push(self::service(
            planner,
            service,
            network,
            (services.len(), title, aliases),
            notes,
        )?);
    }
    Ok(services)
}

fn length<'a>((name, value): (&'a str, &str)) -> (&'a str, usize) {
    (name, value.len())
}

fn service(
    planner: &Planner<'_>,
    service: &ServiceSpec,
    network: &NetworkPlan,
    (index, title, aliases): (usize, String, Vec<String>),
    notes: &mut Vec<JobNote>,
) -> Result<ServicePlan, JobError> {
    let settings = &planner.config.services;
    let mut host = host(
        &settings.host,
        &settings.privileged_images,
        AllowKind::PrivilegedServices,
        &service.image,
        notes,
    )?;
    for (pattern, devices) in &settings.devices {
        let list = AllowList::new(AllowKind::Services, [pattern])?;
        if list.check_image(service.image.name.as_str(), &[]).is_ok() {
            host.devices.extend(devices.iter().cloned());
        }
    }
    host.network_mode = mode(network);
    let mut environment: Vec<String> = Vec::new();
    // The job's secrets are not a service's business; what it needs is given to it by name.
    let of_job = planner.variables.iter().filter(|one| !one.is_masked() && !one.is_file());
    let mut port = None;
    for variable in
        of_job.filter(|one| !service.variables.iter().any(|own| own.name() == one.name()))
    {
        environment.push(format!("{}={}", variable.name(), variable.value()));
    }
    for variable in &service.variables {
        let value = planner.expand_private("service's variable", variable.value())?;
        if variable.name() == PORT {
            port = Some(value.parse().map_err(|_| JobError::Variable {
                name: PORT.to_owned(),
                problem: "it is no port between 0 and 65535",
            })?);
        }
        environment.push(format!("{}={value}", variable.name()));
    }
    check_lengths(environment.iter().filter_map(|text| text.split_once('=')).map(length))?;
    check_arguments(&service.image.entrypoint)?;
    check_arguments(&service.command)?;
    Ok(ServicePlan {
        name: object_name("s1", &title, planner.run, &format!("-{index}"))?,
        title,
        image: planned_image(planner, &service.image)?,
        aliases,
        entrypoint: service.image.entrypoint.clone(),
        command: service.command.clone(),
        user: service.image.user.clone(),
        environment,
        labels: labels(planner, "service")?,
        host,
        network: shared_network(network),
        port,
    })
}

/// The names by which a service is found that no earlier one has.
fn free_aliases(
    planner: &Planner<'_>,
    service: &ServiceSpec,
    taken: &mut BTreeSet<String>,
    notes: &mut Vec<JobNote>,
) -> Result<Vec<String>, JobError> {
    let mut wanted: Vec<String> = Vec::new();
    for alias in &service.aliases {
        let expanded = planner.expand("alias", alias)?;
        // As in GitLab, one text may hold several.
        for alias in expanded.split([',', ' ']).filter(|alias| !alias.is_empty()) {
            check_alias(alias)?;
            wanted.push(alias.to_owned());
        }
    }
    wanted.extend(names_of(service.image.name.as_str()));
    let mut free = Vec::new();
    for alias in wanted {
        if free.contains(&alias) {
            continue;
        }
        if taken.insert(alias.clone()) {
            free.push(alias);
        } else {
            let service = service.image.name.to_string();
            notes.push(JobNote::AliasTaken { service, alias });
        }
    }
    Ok(free)
}

/// What a name server takes, and some more that is in use: underscores.
fn check_alias(alias: &str) -> Result<(), JobError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if alias.len() <= 253 && alias.bytes().all(fits) {
        return Ok(());
    }
    Err(JobError::Alias { alias: alias.chars().take(80).collect() })
}

/// The names that follow from an image's: without port, tag and digest, slashes replaced by two
/// underscores, and by a dash. The rule is GitLab Runner's.
fn names_of(image: &str) -> Vec<String> {
    let image = image.split('@').next().unwrap_or(image);
    let (path, last) =
        image.rsplit_once('/').map_or((None, image), |(path, last)| (Some(path), last));
    let last = last.split(':').next().unwrap_or(last);
    let name = match path {
        None => last.to_owned(),
        Some(path) => {
            let (host, rest) = path.split_once('/').map_or((path, None), |(h, r)| (h, Some(r)));
            let host = host.split(':').next().unwrap_or(host);
            let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
            format!("{host}{rest}/{last}")
        }
    };
    let mut names = vec![name.replace('/', "__")];
    if name.contains('/') {
        names.push(name.replace('/', "-"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_its_images_name() {
        for (image, expected) in [
            ("redis", vec!["redis"]),
            ("redis:7", vec!["redis"]),
            ("team/db:1", vec!["team__db", "team-db"]),
            ("host:5000/team/db:1", vec!["host__team__db", "host-team-db"]),
            ("host:5000/db@sha256:00", vec!["host__db", "host-db"]),
        ] {
            assert_eq!(names_of(image), expected, "{image}");
        }
    }

    #[test]
    fn an_alias_is_a_host_name() {
        for alias in ["db", "my-db", "team__db", "a.b"] {
            assert!(check_alias(alias).is_ok(), "{alias}");
        }
        for alias in ["a b", "ä", "a:b", "a/b", "a\n"] {
            assert!(matches!(check_alias(alias), Err(JobError::Alias { .. })), "{alias:?}");
        }
    }
}
