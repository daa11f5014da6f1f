//! `bench volumes`: making warm volumes ready, against as many bare requests, with few and with
//! many other volumes on the engine.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Result, ensure};
use docker_api_trait::{
    BollardDocker, ContainerApi as _, DockerApi, LabelFilter, VolumeApi as _, VolumeName,
    VolumeRequest,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use volume_manager::{
    DockerVolumeManager, Policy, PrepareContext, Provenance, Scope, VolumeDemand,
    VolumeManager as _, VolumePlan, VolumeState, label, plan,
};

use super::{
    bare::Bare,
    statistics::{Summary, rounded},
    target::{Target, profile},
};

/// How many volumes a job has.
const VOLUMES: [usize; 3] = [1, 10, 100];
/// How many others the engine has.
const OTHERS: [usize; 2] = [0, 2000];
/// So many requests are under way at once while the others are made and removed.
const CONCURRENCY: usize = 16;

/// Measures every combination, and prints a line, or an object, for each.
pub(crate) async fn volumes(rounds: u32, json: bool) -> Result<()> {
    let Target { engine, socket, version } = Target::connect().await?;
    let bench = Bench { engine, project: format!("bench-{}", executor::RunContext::draw().run) };
    let bare = Bare::new(&socket);
    let measured = bench.measure(rounds, &bare).await;
    // What was made goes, whether the measurement came to its end or not.
    bench.remove_all().await?;
    let cells = measured?;
    let profile = profile();
    if json {
        let cells: Vec<Value> = cells.iter().map(Cell::json).collect();
        println!(
            "{}",
            json!({
                "name": "volumes", "rounds": rounds, "cells": cells,
                "profile": profile, "engine": version,
            })
        );
        return Ok(());
    }
    println!("warm volumes made ready, {rounds} rounds, engine {version}, {profile} build");
    println!(
        "{:>7} {:>7} {:>9} {:>11} {:>12} {:>12} {:>6}",
        "volumes", "others", "requests", "containers", "berth ms", "baseline ms", "ratio"
    );
    for cell in &cells {
        println!(
            "{:>7} {:>7} {:>9} {:>11} {:>12.2} {:>12.2} {:>6.2}",
            cell.volumes,
            cell.others,
            cell.requests,
            cell.containers,
            cell.berth.median,
            cell.baseline.median,
            cell.ratio()
        );
    }
    Ok(())
}

/// What was measured of one combination.
struct Cell {
    volumes: usize,
    others: usize,
    requests: u64,
    containers: usize,
    berth: Summary,
    baseline: Summary,
}

impl Cell {
    fn ratio(&self) -> f64 {
        rounded(self.berth.median / self.baseline.median)
    }

    fn json(&self) -> Value {
        json!({
            "volumes": self.volumes,
            "others": self.others,
            "requests": self.requests,
            "containers": self.containers,
            "median_ms": {
                "berth": rounded(self.berth.median),
                "baseline": rounded(self.baseline.median),
            },
            "ratio": self.ratio(),
        })
    }
}

struct Bench {
    engine: BollardDocker,
    project: String,
}

impl Bench {
    async fn measure(&self, rounds: u32, bare: &Bare) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        let mut made = 0;
        for others in OTHERS {
            self.make_others(made..others).await?;
            made = others;
            for volumes in VOLUMES {
                cells.push(self.cell(volumes, others, rounds, bare).await?);
            }
        }
        Ok(cells)
    }

    async fn cell(&self, volumes: usize, others: usize, rounds: u32, bare: &Bare) -> Result<Cell> {
        let containers = self.engine.list_containers(&[]).await?.len();
        // The first round makes the volumes, and is not counted.
        let names: Vec<VolumeName> = {
            let plan = self.plan(volumes, "first")?;
            let manager = DockerVolumeManager::new(Arc::new(self.engine.clone()));
            let prepared = manager.prepare(&plan, &PrepareContext::default()).await?;
            prepared.volumes.iter().filter_map(|one| Some(one.managed()?.name.clone())).collect()
        };
        let (mut berth, mut baseline, mut requests) = (Vec::new(), Vec::new(), 0);
        for round in 0..rounds {
            let run = format!("round-{round}");
            if round % 2 == 0 {
                berth.push(self.berth(volumes, &run, &mut requests).await?);
                baseline.push(Self::baseline(bare, &names).await?);
            } else {
                baseline.push(Self::baseline(bare, &names).await?);
                berth.push(self.berth(volumes, &run, &mut requests).await?);
            }
        }
        let after = self.engine.list_containers(&[]).await?.len();
        Ok(Cell {
            volumes,
            others,
            requests,
            containers: after.saturating_sub(containers),
            berth: Summary::of(&berth),
            baseline: Summary::of(&baseline),
        })
    }

    fn plan(&self, volumes: usize, run: &str) -> Result<VolumePlan> {
        let specs: Result<Vec<_>, _> =
            (0..volumes).map(|index| format!("/cache/{index}").parse()).collect();
        let scope = Scope::trusted("bench", self.project.as_str());
        let provenance = Provenance::new(run, SystemTime::now());
        Ok(plan(&VolumeDemand::new(specs?), &scope, &provenance, &Policy::default())?)
    }

    /// Plans and prepares; keeps the most requests that any round took.
    async fn berth(&self, volumes: usize, run: &str, requests: &mut u64) -> Result<Duration> {
        let engine: Arc<dyn DockerApi> = Arc::new(self.engine.with_own_count());
        let manager = DockerVolumeManager::new(Arc::clone(&engine));
        let begin = Instant::now();
        let prepared =
            manager.prepare(&self.plan(volumes, run)?, &PrepareContext::default()).await?;
        let took = begin.elapsed();
        *requests = (*requests).max(engine.requests_sent());
        ensure!(
            prepared.states().iter().all(|state| *state == Some(VolumeState::Reused)),
            "a volume that was made before was not found again"
        );
        Ok(took)
    }

    /// As many bare requests, one after the other over one connection.
    async fn baseline(bare: &Bare, names: &[VolumeName]) -> Result<Duration> {
        let begin = Instant::now();
        bare.volumes(names.iter().map(VolumeName::as_str)).await?;
        Ok(begin.elapsed())
    }

    async fn make_others(&self, range: std::ops::Range<usize>) -> Result<()> {
        stream::iter(range.map(Ok))
            .try_for_each_concurrent(CONCURRENCY, |index| async move {
                let name = VolumeName::new(format!("{}-other-{index}", self.project))?;
                let labels = [(label::PROJECT.to_owned(), self.project.clone())].into();
                self.engine.create_volume(&VolumeRequest::new(name).with_labels(labels)).await?;
                Ok(())
            })
            .await
    }

    async fn remove_all(&self) -> Result<()> {
        let project = LabelFilter::equals(label::PROJECT, &self.project);
        let volumes = self.engine.list_volumes(&[project]).await?;
        stream::iter(volumes)
            .map(Ok)
            .try_for_each_concurrent(CONCURRENCY, |volume| async move {
                Ok(self.engine.remove_volume(&volume.name.parse()?).await?)
            })
            .await
    }
}
