//! Events and results say which run and which job they belong to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use common::{image, step};
use executor::{
    Cancel, Event, Executor, ExecutorConfig, JobEvent, JobSpec, Observer, Trust, report::JobReport,
};
use testkit::{FakeDocker, ScriptedRun};
use volume_manager::InMemoryVolumeManager;

/// Run, job and time of each event, and whether a step began.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<(String, String, SystemTime, bool)>>);

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let begins = matches!(event.kind, JobEvent::StepStarted { .. });
        let entry = (event.run.to_owned(), event.job.to_owned(), event.at, begins);
        self.0.lock().unwrap().push(entry);
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_concurrent_jobs_name_their_run_and_job() {
    let engine = FakeDocker::new().with_image("busybox");
    engine.script(ScriptedRun::exits(0));
    let recorder = Arc::new(Recorder::default());
    let volumes = Arc::new(InMemoryVolumeManager::new());
    // A reference-counted observer observes as well.
    let observer: Arc<dyn Observer> = Arc::new(Arc::clone(&recorder));
    let executor = Executor::new(Arc::new(engine), volumes, ExecutorConfig::new("ci"))
        .without_instance()
        .with_observer(observer);
    let job = |id: &str| {
        JobSpec::with_steps("app", Trust::Trusted, image("busybox"), [step("a")]).with_id(id)
    };
    let (first, second, cancel) = (job("1"), job("2"), Cancel::new());
    let before = SystemTime::now();
    let (first, second) = tokio::join!(
        executor.job(&first).cancel(&cancel).run(),
        executor.job(&second).cancel(&cancel).run(),
    );
    let after = SystemTime::now();
    let events = recorder.0.lock().unwrap();
    for result in [first.unwrap(), second.unwrap()] {
        assert!(result.is_success(), "{result:?}");
        let own: Vec<_> = events.iter().filter(|(run, ..)| *run == result.run).collect();
        assert!(own.iter().any(|(.., begins)| *begins), "{own:?}");
        for (_, job, at, _) in &own {
            assert_eq!(*job, result.job);
            assert!(before <= *at && *at <= after);
        }
        assert!(result.started_at <= result.ended_at && result.ended_at <= after);
        // The paused clock may have been advanced by the steps.
        assert!(before <= result.started_at + Duration::from_mins(1));
        let report = JobReport::from(&result);
        assert_eq!((report.run, report.job), (result.run, result.job));
        assert!(report.started_at <= report.ended_at && report.ended_at.ends_with('Z'));
    }
}
