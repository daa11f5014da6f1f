//! A unit test of code that uses volumes, with the manager in memory: no engine, no mock.
use volume_manager::{
    InMemoryVolumeManager, Outcome, PlanError, Policy, PrepareContext, Provenance, Scope,
    VolumeDemand, VolumeManager, VolumeState, plan,
};

async fn use_cache(volumes: &dyn VolumeManager, run: &str) -> Result<VolumeState, PlanError> {
    let demand = VolumeDemand::new(["/cache".parse().expect("a spec")]);
    let origin = Provenance::new(run, std::time::SystemTime::now());
    let plan = plan(&demand, &Scope::trusted("ci", "app"), &origin, &Policy::default())?;
    let prepared = volumes.prepare(&plan, &PrepareContext::default()).await.expect("volumes");
    let state = prepared.states()[0].expect("a cache has a state");
    volumes.finish(prepared, Outcome::Succeeded).await;
    Ok(state)
}

fn main() {
    let volumes = InMemoryVolumeManager::new();
    let run = |id| futures_util::FutureExt::now_or_never(use_cache(&volumes, id)).expect("no wait");
    assert_eq!(run("first"), Ok(VolumeState::Created));
    assert_eq!(run("second"), Ok(VolumeState::Reused));
}
