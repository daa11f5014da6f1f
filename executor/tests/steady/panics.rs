//! Panics of the caller's own code.

use std::{io, sync::Arc};

use async_trait::async_trait;
use docker_api_trait::LogChunk;
use executor::{
    Event, JobEvent, LogSink, Observer,
    error::RunError,
    log::{LogEnd, Truncation},
    outcome::Phase,
};
use testkit::ScriptedRun;

use crate::common::{assert_clean, engine, error, executor, job, run_into, seconds, step, words};

/// Panics when a step begins.
#[derive(Debug)]
struct Panicking;

impl Observer for Panicking {
    fn event(&self, event: &Event<'_>) {
        assert!(!matches!(event.kind, JobEvent::StepStarted { .. }), "the observer's own fault");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_callers_own_code_fails_the_job_and_cleans_it_up() {
    let engine = engine();
    let executor = executor(&engine).with_observer(Arc::new(Panicking));
    let job = job([step("a")]);
    let result = executor.job(&job).run().await.unwrap();
    let error = error(&result, Phase::Script, false);
    assert!(matches!(error, RunError::Panicked { .. }), "{error:?}");
    assert_eq!(words(&result), [("a", "failed")]);
    assert_clean(&engine, &result);
}

/// Panics where it is told to.
#[derive(Debug)]
struct PanickingSink(&'static str);

#[async_trait]
impl LogSink for PanickingSink {
    async fn write(&mut self, _chunk: &LogChunk) -> io::Result<()> {
        assert_ne!(self.0, "write", "the sink's own fault");
        Ok(())
    }

    async fn begin(&mut self, _step: &str) -> io::Result<()> {
        assert_ne!(self.0, "begin", "the sink's own fault");
        Ok(())
    }

    async fn end(&mut self, _step: &str) -> io::Result<()> {
        assert_ne!(self.0, "end", "the sink's own fault");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_callers_sink_fails_the_job_and_cleans_it_up() {
    for place in ["begin", "write", "end"] {
        let engine = engine();
        engine.script(ScriptedRun::exits(0).prints_stdout("out\n").lasting(seconds(1)));
        let result = run_into(&engine, &job([step("a"), step("b")]), PanickingSink(place)).await;
        let error = error(&result, Phase::Script, false);
        let RunError::Panicked { message } = error else { panic!("{place}: {error:?}") };
        assert!(message.contains("the sink's own fault"), "{place}: {message}");
        assert!(error.hint().is_some(), "{place}");
        assert_eq!(words(&result), [("a", "failed"), ("b", "skipped")], "{place}");
        let LogEnd::Truncated(Truncation::Panicked(message)) = &result.log else {
            panic!("{place}: {:?}", result.log)
        };
        assert!(message.contains("the sink's own fault"), "{place}: {message}");
        assert_clean(&engine, &result);
        assert!(engine.scripts().len() <= 1, "{place}: no step follows");
    }
}
