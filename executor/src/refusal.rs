//! Which error of a run a refusal of the engine is: of a container, of its network or of a volume. The
//! causes come from `docker-api-trait`; here they meet the plan.

use docker_api_trait::{ApiError, DockerApi, LabelFilter, RefusalCause};
use volume_manager::{PreparedVolume, PreparedVolumes, VolumeKind, label};

use crate::{
    error::PrepareError,
    plan::{JobPlan, NetworkPlan},
};

/// Returns the error for a refusal: with its cause if that is known.
pub(crate) fn classify(refused: ApiError) -> PrepareError {
    match RefusalCause::of(&refused) {
        Some(cause) => PrepareError::Refused { cause, source: refused },
        None => refused.into(),
    }
}

/// The error with the volume in it whose directory is missing, if that is what it says.
pub(crate) fn of_a_volume(volumes: &PreparedVolumes, error: PrepareError) -> PrepareError {
    let PrepareError::Engine(source) = error else { return error };
    let lost = source.lost_volume();
    let is_lost = |volume: &&PreparedVolume| {
        let is_volume = volume.kind().is_managed() || volume.kind() == VolumeKind::Named;
        is_volume && lost == Some(volume.name())
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
    if !refusal.may_name_missing_network() {
        return None;
    }
    let found = docker.list_networks(&[LabelFilter::equals(label::RUN, &plan.run)]).await.ok()?;
    let is_there = found.iter().any(|network| network.name == own.name.as_str());
    (!is_there).then(|| PrepareError::NetworkVanished { network: own.name.to_string() })
}

#[cfg(test)]
mod tests {
    use docker_api_trait::{NetworkApi as _, Operation};
    use testkit::FakeDocker;

    use super::*;
    use crate::{
        config::ExecutorConfig,
        host::plan,
        job::{Command, JobSpec, StepSpec},
        plan::RunContext,
    };
    use volume_manager::Trust;

    fn error(status: u16, words: &str) -> ApiError {
        ApiError::from_status(Operation::StartContainer, status, words)
    }

    fn job_plan() -> JobPlan {
        let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
        let step = StepSpec::new("a", Command::script("true").unwrap());
        let mut job = JobSpec::with_steps("app", Trust::Trusted, image, [step]);
        job.volumes = vec!["/cache".to_owned(), "mine:/data".to_owned()];
        job.build =
            Some(crate::job::BuildSpec::new("/builds", volume_manager::BuildStrategy::Clone));
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
    fn a_refusal_with_a_known_cause_keeps_the_words_of_the_engine() {
        let refused = classify(error(400, "Unknown runtime specified kata"));
        let PrepareError::Refused { cause: RefusalCause::Runtime, .. } = &refused else {
            panic!("{refused:?}")
        };
        assert!(!refused.is_retryable() && refused.hint().is_some());
        let shown = crate::describe(&refused);
        assert!(shown.contains("Unknown runtime specified kata"), "{shown}");
        assert!(classify(error(500, "port is already allocated")).is_retryable());
        assert!(matches!(classify(error(500, "unknown words")), PrepareError::Engine(_)));
    }

    #[tokio::test]
    async fn a_network_is_gone_when_it_is_not_there_and_not_when_an_engine_says_so() {
        let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
        let step = StepSpec::new("a", Command::script("true").unwrap());
        let mut job = JobSpec::with_steps("app", Trust::Trusted, image.clone(), [step]);
        job.services.push(crate::job::ServiceSpec::new(image));
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
