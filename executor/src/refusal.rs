//! What an engine means that refuses a container: whether its network or a volume is not there any
//! more. Only its words tell, so that they decide as little as possible.

use docker_api_trait::{ApiError, DockerApi, LabelFilter, Operation};
use volume_manager::{PreparedVolume, PreparedVolumes, VolumeKind, label};

use crate::{JobPlan, NetworkPlan, PrepareError};

/// The error with the volume in it whose directory is missing, if that is what it says.
pub(crate) fn of_a_volume(volumes: &PreparedVolumes, error: PrepareError) -> PrepareError {
    let PrepareError::Engine(source) = error else { return error };
    let words = words(&source).unwrap_or_default();
    let is_lost = |volume: &&PreparedVolume| {
        let is_volume = volume.kind().is_managed() || volume.kind() == VolumeKind::Named;
        // More between the two is something else: of a volume with a device, that one is missing.
        is_volume && words.contains(&format!("/{}/_data: no such file or directory", volume.name()))
    };
    match volumes.volumes.iter().find(is_lost) {
        Some(lost) => {
            let volume = lost.name().to_owned();
            PrepareError::VolumeLost { volume, kind: lost.kind(), source }
        }
        None => PrepareError::Engine(source),
    }
}

/// The error when a container was refused because the run's own network is not there any more: one that
/// was only created, or that has ended, does not keep its network from being pruned. Docker's engine
/// looks for the network at the start, Podman at the creation. What the words may mean is looked at.
pub(crate) async fn of_the_network(
    docker: &dyn DockerApi,
    plan: &JobPlan,
    refusal: &ApiError,
) -> Option<PrepareError> {
    let NetworkPlan::Own(own) = &plan.network else { return None };
    if !may_be_of_a_network(refusal) {
        return None;
    }
    let found = docker.list_networks(&[LabelFilter::equals(label::RUN, &plan.run)]).await.ok()?;
    let is_there = found.iter().any(|network| network.name == own.name.as_str());
    (!is_there).then(|| PrepareError::NetworkVanished { network: own.name.to_string() })
}

fn may_be_of_a_network(refusal: &ApiError) -> bool {
    matches!(refusal, ApiError::NotFound { operation: Operation::StartContainer, .. })
        || words(refusal).is_some_and(|words| words.contains("network"))
}

/// What an engine has said that has refused something.
fn words(error: &ApiError) -> Option<&str> {
    match error {
        ApiError::NotFound { message, .. }
        | ApiError::Rejected { message, .. }
        | ApiError::Conflict { message, .. }
        | ApiError::Engine { message, .. } => Some(message),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use docker_api_trait::NetworkApi as _;
    use testkit::FakeDocker;

    use super::*;
    use crate::{Command, ExecutorConfig, JobSpec, RunContext, StepSpec, plan};
    use volume_manager::Trust;

    fn error(status: u16, words: &str) -> ApiError {
        ApiError::from_status(Operation::StartContainer, status, words)
    }

    fn job_plan() -> JobPlan {
        let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
        let step = StepSpec::new("a", Command::script("true").unwrap());
        let mut job = JobSpec::with_steps("app", Trust::Trusted, image, [step]);
        job.volumes = vec!["/cache".to_owned(), "mine:/data".to_owned()];
        job.build = Some(crate::BuildSpec::new("/builds", volume_manager::BuildStrategy::Clone));
        let mut config = ExecutorConfig::new("ci");
        config.policy.allow_named_volumes = true;
        plan(&job, &config, &RunContext::draw()).unwrap()
    }

    #[test]
    fn a_volume_without_its_folder_is_told_apart_and_only_one_of_the_run_may_be_run_again() {
        let volumes = PreparedVolumes::unprepared(&job_plan().volumes);
        let mut kinds = Vec::new();
        for volume in &volumes.volumes {
            let name = volume.name();
            let path = format!("/var/lib/docker/volumes/{name}/_data");
            // Measured: the words of Engine 20.10.
            let words = format!(
                "error evaluating symlinks from mount source \"{path}\": lstat {path}: no such \
                 file or directory"
            );
            let told = of_a_volume(&volumes, PrepareError::Engine(error(500, &words)));
            let PrepareError::VolumeLost { volume, kind, .. } = &told else { panic!("{told:?}") };
            assert_eq!(volume, name);
            assert_eq!(told.is_retryable(), *kind == VolumeKind::Temporary, "{kind}");
            let remedy = match *kind {
                VolumeKind::Cache => format!("`berth volumes rm {name}`"),
                VolumeKind::Named => format!("`docker volume rm {name}`"),
                _ => "the next run".to_owned(),
            };
            assert!(told.hint().unwrap().contains(&remedy), "{:?}", told.hint());
            kinds.push(*kind);
        }
        kinds.sort_unstable();
        assert_eq!(kinds, [VolumeKind::Cache, VolumeKind::Temporary, VolumeKind::Named]);
    }

    #[test]
    fn what_is_missing_elsewhere_is_no_lost_volume() {
        let volumes = PreparedVolumes::unprepared(&job_plan().volumes);
        let name = volumes.volumes[0].name();
        let others = [
            format!(
                "failed to mount local volume: mount /dev/none:/v/{name}/_data, flags: 0x1000: no such file or directory"
            ),
            format!("lstat /v/{name}/_data: permission denied"),
            format!("lstat /v/x{name}/_data: no such file or directory"),
            "lstat /v/other/_data: no such file or directory".to_owned(),
        ];
        for words in others {
            let told = of_a_volume(&volumes, PrepareError::Engine(error(500, &words)));
            assert!(matches!(told, PrepareError::Engine(_)), "{words}: {told:?}");
        }
    }

    #[test]
    fn a_refusal_is_looked_into_when_something_is_missing_or_it_speaks_of_a_network() {
        assert!(may_be_of_a_network(&error(404, "network x not found")));
        // As a program may be missing, so may a network: the words are the engine's own.
        assert!(may_be_of_a_network(&error(404, "not found")));
        assert!(may_be_of_a_network(&error(500, "unable to find network with name or ID x")));
        let image = ApiError::from_status(Operation::CreateContainer, 404, "No such image: x");
        assert!(!may_be_of_a_network(&image));
        assert!(!may_be_of_a_network(&error(400, "exec: \"sh\": executable file not found")));
        assert!(!may_be_of_a_network(&error(500, "no space left on device")));
    }

    #[tokio::test]
    async fn a_network_is_gone_when_it_is_not_there_and_not_when_an_engine_says_so() {
        let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
        let step = StepSpec::new("a", Command::script("true").unwrap());
        let mut job = JobSpec::with_steps("app", Trust::Trusted, image.clone(), [step]);
        job.services.push(crate::ServiceSpec::new(image));
        let plan = plan(&job, &ExecutorConfig::new("ci"), &RunContext::draw()).unwrap();
        let NetworkPlan::Own(own) = &plan.network else { panic!("{:?}", plan.network) };
        let docker = FakeDocker::new();
        let podman = "unable to find network with name or ID x: network not found";
        let refusals = [
            error(404, "network x not found"),
            ApiError::from_status(Operation::CreateContainer, 500, podman),
        ];
        let id = docker.create_network(&own.request()).await.unwrap();
        for refusal in &refusals {
            let told = of_the_network(&docker, &plan, refusal).await;
            assert!(told.is_none(), "{refusal:?}: {told:?}");
        }
        docker.remove_network(&id).await.unwrap();
        for refusal in &refusals {
            let told = of_the_network(&docker, &plan, refusal).await;
            let Some(PrepareError::NetworkVanished { network }) = &told else {
                panic!("{refusal:?}: {told:?}")
            };
            assert_eq!(network, own.name.as_str());
        }
        assert!(of_the_network(&docker, &job_plan(), &refusals[0]).await.is_none());
    }
}
