//! `berth sweep`, and the sweep that a run begins with.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use executor::{
    describe,
    instance::{Instance, InstanceError, Instances},
    sweep::{Leftover, Sweep, SweepReport, Verdict},
};
use serde::Serialize;

use crate::{
    args::{EngineArguments, StateArguments, SweepArguments},
    engine::Engine,
    failure::{Failure, NOT_DONE},
    table::{Table, print_json},
    teller::{printable, say},
};

/// Sweeps; returns the exit code.
pub(crate) fn sweep(arguments: &SweepArguments) -> Result<u8, Failure> {
    let engine = Engine::new(&arguments.engine)?;
    let mut sweep = Sweep::new(Arc::clone(&engine.docker));
    match instances(&arguments.state, &arguments.engine) {
        Ok(instances) => sweep = sweep.with_instances(instances),
        Err(why) => say(&format!("berth: only deadlines count: {why}")),
    }
    if !arguments.all_owners {
        sweep = sweep.with_owner(arguments.owner.owner());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::from_error(&error, Some("the system is short of something".into()))
    })?;
    let report = runtime
        .block_on(async { if arguments.dry_run { sweep.look().await } else { sweep.run().await } });
    let report = report.map_err(|error| Failure::explain(&error))?;
    if arguments.json {
        print_json(&Swept::new(&report, arguments.dry_run))?;
    } else {
        show(&report, arguments.dry_run).map_err(|error| Failure::unwritable(&error))?;
    }
    complain(&report);
    Ok(if report.is_complete() { 0 } else { NOT_DONE })
}

/// The state folder that was asked for, or the user's own, for work on this engine.
fn instances(state: &StateArguments, engine: &EngineArguments) -> Result<Instances, String> {
    let folder = state
        .folder()
        .ok_or("there is no folder for it: neither HOME nor BERTH_STATE_DIR is set")?;
    let instances = Instances::open(&folder).map_err(|error| with_hint(&error))?;
    Ok(instances.with_engine(engine.address()))
}

fn with_hint(error: &InstanceError) -> String {
    format!("{}; {}", describe(error), error.hint())
}

/// What a run has beside its job: the evidence that it lives, and a sweep when there is a cue for one.
pub(crate) struct Watch {
    instance: Option<Instance>,
    sweep: Option<Sweep>,
    left_something: bool,
    quiet: bool,
}

impl Watch {
    /// Begins the evidence. Without it the job runs all the same. The sweep has a handle to the engine
    /// of its own, so that the job's requests are its own. Nobody asked for it, so what is only overdue
    /// it takes of `owner` alone.
    pub(crate) fn begin(
        state: &StateArguments,
        engine: &EngineArguments,
        owner: &str,
        quiet: bool,
    ) -> Result<Self, Failure> {
        let claimed = instances(state, engine).and_then(|instances| {
            let instance = instances.claim().map_err(|error| with_hint(&error))?;
            Ok((instances, instance))
        });
        match claimed {
            Ok((instances, instance)) => {
                let sweep = if instances.dead().is_ok_and(|dead| !dead.is_empty()) {
                    let engine = Engine::new(engine)?;
                    let sweep = Sweep::new(engine.docker).with_instances(instances);
                    Some(sweep.with_owner(owner).with_ended_of_all_owners())
                } else {
                    None
                };
                Ok(Self { instance: Some(instance), sweep, left_something: false, quiet })
            }
            Err(why) => {
                if !quiet {
                    say(&format!("berth: what a crash leaves is swept by its deadline: {why}"));
                }
                Ok(Self { instance: None, sweep: None, left_something: false, quiet })
            }
        }
    }

    pub(crate) fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }

    /// The sweep, beside the job. It tells in one line what it did, and nothing when that is nothing.
    pub(crate) fn take_sweep(&mut self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let (sweep, quiet) = (self.sweep.take(), self.quiet);
        async move {
            let Some(sweep) = sweep else { return };
            // Whether the engine answers is the job's matter, and told there.
            let Ok(report) = sweep.run().await else { return };
            if let Some(line) = summary(&report, quiet) {
                say(&line);
            }
        }
    }

    /// Whether there may be something on the engine when this ends.
    pub(crate) fn set_left(&mut self, left_something: bool) {
        self.left_something = left_something;
    }
}

/// Ends the evidence. After a panic nobody knows what is left.
impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            instance.release(self.left_something || std::thread::panicking());
        }
    }
}

/// What a sweep did that nobody asked for.
fn summary(report: &SweepReport, quiet: bool) -> Option<String> {
    let things = |count: usize| if count == 1 { "thing" } else { "things" };
    let swept = report.removed.len();
    let done = format!("swept {swept} {} that earlier runs had left", things(swept));
    let stay = report.failed.len();
    let rest = format!("{stay} {} may be left of earlier runs", things(stay));
    Some(match (swept, report.is_complete()) {
        (0, true) => return None,
        (_, true) if quiet => return None,
        (_, true) => format!("berth: {done}"),
        (0, false) if stay == 0 => {
            "berth: what earlier runs left cannot be listed: `berth sweep` tells why".to_owned()
        }
        (0, false) => format!("berth: {rest}: `berth sweep` tells why"),
        (_, false) => format!("berth: {done}; {stay} may be left: `berth sweep` tells why"),
    })
}

fn complain(report: &SweepReport) {
    for failed in &report.failed {
        let kind = failed.kind.as_str();
        say(&format!("berth: the {kind} {} stays: {}", failed.name, describe(&failed.error)));
    }
    for (kind, error) in &report.unlisted {
        say(&format!(
            "berth: the engine does not list its {}s: {}",
            kind.as_str(),
            describe(error)
        ));
    }
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Remove(death) => death.words(),
        Verdict::Keep(kept) => kept.words(),
        _ => "",
    }
}

fn show(report: &SweepReport, dry_run: bool) -> io::Result<()> {
    let mut table = Table::new(["KIND", "NAME", "WHAT", "WHY"]);
    let removed = if dry_run { "would go" } else { "removed" };
    let rows = report.removed.iter().map(|one| (removed, one));
    for (what, one) in rows.chain(report.kept.iter().map(|one| ("stays", one))) {
        let why = words(one.verdict).to_owned();
        table.row([one.kind.as_str().to_owned(), printable(&one.name), what.to_owned(), why]);
    }
    let mut output = io::stdout().lock();
    if report.removed.is_empty() && report.kept.is_empty() {
        // What could not be removed or listed has been told.
        let is_clean = report.failed.is_empty() && report.unlisted.is_empty();
        return if is_clean { writeln!(output, "nothing is left") } else { Ok(()) };
    }
    table.print(&mut output)
}

#[derive(Serialize)]
struct Swept<'a> {
    dry_run: bool,
    removed: Vec<SweptObject<'a>>,
    kept: Vec<SweptObject<'a>>,
    failed: Vec<FailedObject<'a>>,
}

#[derive(Serialize)]
struct SweptObject<'a> {
    kind: &'static str,
    name: &'a str,
    run: &'a str,
    why: &'static str,
}

#[derive(Serialize)]
struct FailedObject<'a> {
    kind: &'static str,
    name: Option<&'a str>,
    error: String,
}

impl<'a> Swept<'a> {
    fn new(report: &'a SweepReport, dry_run: bool) -> Self {
        let object = |one: &'a Leftover| SweptObject {
            kind: one.kind.as_str(),
            name: &one.name,
            run: &one.run,
            why: words(one.verdict),
        };
        let failed = report.failed.iter().map(|one| FailedObject {
            kind: one.kind.as_str(),
            name: Some(&one.name),
            error: describe(&one.error),
        });
        let unlisted = report.unlisted.iter().map(|(kind, error)| FailedObject {
            kind: kind.as_str(),
            name: None,
            error: describe(error),
        });
        Self {
            dry_run,
            removed: report.removed.iter().map(object).collect(),
            kept: report.kept.iter().map(object).collect(),
            failed: failed.chain(unlisted).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use executor::sweep::{Sweep, SweepReport};
    use testkit::FakeDocker;

    use super::*;

    /// Of an engine with so many overdue containers, of which the first `stay` cannot be removed.
    async fn swept(count: usize, stay: usize) -> SweepReport {
        let engine = FakeDocker::new().with_image("busybox");
        let docker: Arc<dyn docker_api_trait::DockerApi> = Arc::new(engine.clone());
        for place in 0..count {
            let name = format!("berth-b1-app-r-{place}").parse().unwrap();
            let mut request =
                docker_api_trait::ContainerRequest::new(name, "busybox".parse().unwrap());
            let time = "1970-01-01T00:00:00Z";
            request.labels = [
                ("schema", "1"),
                ("kind", "build"),
                ("owner", "ci"),
                ("run", "r"),
                ("instance", "pid-1"),
                ("created-at", time),
                ("deadline", time),
            ]
            .map(|(key, value)| (format!("dev.berth.{key}"), value.to_owned()))
            .into();
            docker.create_container(&request).await.unwrap();
        }
        tokio::time::advance(std::time::Duration::from_mins(2)).await;
        let operation = docker_api_trait::Operation::RemoveContainer;
        for _ in 0..stay {
            engine.refuse_once(operation, move || {
                docker_api_trait::ApiError::from_status(operation, 500, "no")
            });
        }
        Sweep::new(docker).run().await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_that_nobody_asked_for_is_one_line_or_none() {
        let line = async |count, stay, quiet| summary(&swept(count, stay).await, quiet);
        assert_eq!(line(0, 0, false).await, None);
        assert_eq!(
            line(1, 0, false).await.unwrap(),
            "berth: swept 1 thing that earlier runs had left"
        );
        assert_eq!(line(1, 0, true).await, None, "quiet");
        assert_eq!(
            line(3, 1, true).await.unwrap(),
            "berth: swept 2 things that earlier runs had left; 1 may be left: `berth sweep` tells why"
        );
        assert_eq!(
            line(1, 1, false).await.unwrap(),
            "berth: 1 thing may be left of earlier runs: `berth sweep` tells why"
        );
    }
}
