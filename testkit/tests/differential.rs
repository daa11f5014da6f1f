//! The same calls to the fake and to a real engine, and the same answers from both.
//!
//! Each behaviour is a function from an engine to what was seen, in words: the kind of an error and
//! its status class, never the engine's own text. It runs on the fake in every test run and is
//! compared with what is written down here; the ignored twin runs it on a real engine too, and
//! compares the two. Where they differ, the fake is wrong.
//!
//! The real engine needs the image `BERTH_E2E_IMAGE` (`berth-busybox:local`), which has a shell.
//! Everything made there carries the label `dev.berth.owner` with the value of `BERTH_E2E_OWNER`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    env,
    panic::{AssertUnwindSafe, resume_unwind},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use docker_api_trait::{
    ApiError, BollardDocker, ContainerId, ContainerRequest, ContainerStatus, DockerApi, Endpoint,
    EndpointSources, ImageReference, LabelFilter, LogSource, LogStream, Mount, MountSource, Volume,
    VolumeName, VolumeRequest, WaitCondition,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use testkit::{FakeDocker, ScriptedRun};
use tokio::time::timeout;

/// Longer than any answer takes, for what never comes.
const NEVER: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(10);

/// What was seen, in order.
type Seen = Vec<String>;

/// An engine, and names and labels that nobody else uses.
struct Lab {
    engine: Box<dyn DockerApi>,
    /// The same engine when it is the fake.
    fake: Option<FakeDocker>,
    image: ImageReference,
    owner: String,
    run: String,
}

/// What a container does.
#[derive(Clone, Copy)]
enum Program {
    Exits3,
    PrintsToBoth,
    Sleeps,
    SleepsThroughStop,
}

impl Program {
    fn script(self) -> ScriptedRun {
        match self {
            Self::Exits3 => ScriptedRun::exits(3),
            Self::PrintsToBoth => {
                ScriptedRun::exits(0).prints_stdout("out\n").prints_stderr("err\n")
            }
            Self::Sleeps => ScriptedRun::never_ends(),
            Self::SleepsThroughStop => {
                ScriptedRun::never_ends().ignoring_stop().prints_stdout("ready\n")
            }
        }
    }

    fn shell(self) -> &'static str {
        match self {
            Self::Exits3 => "exit 3",
            Self::PrintsToBoth => "echo out; echo err >&2",
            // In place of the shell, so that the init's signal ends it.
            Self::Sleeps => "exec sleep 600",
            Self::SleepsThroughStop => "trap '' TERM; echo ready; sleep 600",
        }
    }
}

impl Lab {
    fn new(engine: Box<dyn DockerApi>, fake: Option<FakeDocker>) -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let run = format!(
            "{}-{}-{}",
            process::id(),
            now.as_millis(),
            LABS.fetch_add(1, Ordering::Relaxed)
        );
        let image = variable("BERTH_E2E_IMAGE", "berth-busybox:local").parse().unwrap();
        Self { engine, fake, image, owner: variable("BERTH_E2E_OWNER", "e2e-manual"), run }
    }

    fn on_fake() -> Self {
        let fake =
            FakeDocker::new().with_image(&variable("BERTH_E2E_IMAGE", "berth-busybox:local"));
        Self::new(Box::new(fake.clone()), Some(fake))
    }

    fn on_real_engine() -> Self {
        let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
        Self::new(Box::new(BollardDocker::new(endpoint).unwrap()), None)
    }

    fn name(&self, hint: &str) -> String {
        format!("berth-test-{}-{hint}", self.run)
    }

    fn volume_name(&self, hint: &str) -> VolumeName {
        self.name(hint).parse().unwrap()
    }

    /// The labels of everything, by which it is found and removed, and `note`.
    fn labels(&self, note: &str) -> BTreeMap<String, String> {
        [
            ("dev.berth.owner", self.owner.as_str()),
            ("dev.berth.kind", "test"),
            ("dev.berth.run", self.run.as_str()),
            ("dev.berth.note", note),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn filter(&self) -> [LabelFilter; 2] {
        [
            LabelFilter::equals("dev.berth.owner", &self.owner),
            LabelFilter::equals("dev.berth.run", &self.run),
        ]
    }

    fn volume(&self, hint: &str, note: &str) -> VolumeRequest {
        VolumeRequest::new(self.volume_name(hint)).with_labels(self.labels(note))
    }

    fn job(&self, hint: &str, program: Program) -> ContainerRequest {
        if let Some(fake) = &self.fake {
            fake.script(program.script());
        }
        let mut request =
            ContainerRequest::new(self.name(hint).parse().unwrap(), self.image.clone());
        request.entrypoint = vec!["/bin/sh".to_owned(), "-c".to_owned()];
        request.arguments = vec![program.shell().to_owned()];
        request.labels = self.labels(hint);
        // Process 1 has no default actions for signals: without, a stop would always be a kill.
        request.init = true;
        request
    }

    fn mount(&self, volume: &str, destination: &str) -> Mount {
        let name = self.volume_name(volume);
        let source = MountSource::Volume { name, labels: self.labels("mount"), no_copy: true };
        Mount::new(destination, source)
    }

    async fn create(&self, request: &ContainerRequest) -> ContainerId {
        self.engine.create_container(request).await.unwrap().id
    }

    async fn started(&self, hint: &str, program: Program) -> ContainerId {
        let id = self.create(&self.job(hint, program)).await;
        self.engine.start_container(&id).await.unwrap();
        id
    }

    async fn exited(&self, hint: &str, program: Program) -> ContainerId {
        let id = self.create(&self.job(hint, program)).await;
        let exit = self.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        self.engine.start_container(&id).await.unwrap();
        exit.await.unwrap();
        id
    }

    /// How the container ended, for a waiter that is registered now.
    async fn exit(&self, id: &ContainerId, condition: WaitCondition) -> String {
        match self.engine.wait_container(id, condition).await {
            Ok(exit) => seen(exit.await.map(|status| format!("exit {}", status.code))),
            Err(error) => seen(Err::<String, _>(error)),
        }
    }

    async fn status(&self, id: &ContainerId) -> String {
        seen(self.engine.inspect_container(id).await.map(|details| {
            let status = match details.status {
                ContainerStatus::Created => "created",
                ContainerStatus::Running => "running",
                ContainerStatus::Exited => "exited",
                _ => "other",
            };
            format!("{status} {}", details.exit_code)
        }))
    }

    /// Removes all that was made here.
    async fn clean_up(&self) -> Result<(), ApiError> {
        for container in self.engine.list_containers(&self.filter()).await? {
            self.engine.remove_container(&container.id).await?;
        }
        for volume in self.engine.list_volumes(&self.filter()).await? {
            let name = volume.name.parse().expect("we named it");
            self.engine.remove_volume(&name).await?;
        }
        Ok(())
    }
}

fn variable(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// A reply in words that are the same on every engine.
fn seen<T: Into<String>>(reply: Result<T, ApiError>) -> String {
    match reply {
        Ok(value) => value.into(),
        Err(ApiError::NotFound { .. }) => "not found".to_owned(),
        Err(ApiError::Conflict { .. }) => "conflict".to_owned(),
        Err(ApiError::Rejected { .. }) => "rejected".to_owned(),
        Err(ApiError::Engine { status, .. }) => format!("engine error {}xx", status / 100),
        Err(other) => format!("{other:?}"),
    }
}

fn done(reply: Result<(), ApiError>) -> String {
    seen(reply.map(|()| "ok"))
}

fn note(reply: Result<Volume, ApiError>) -> String {
    seen(reply.map(|volume| format!("{} {:?}", volume.labels["dev.berth.note"], volume.options)))
}

/// All that a stream has: standard output, standard error, and whether it came to its end.
async fn read(mut stream: LogStream) -> String {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match timeout(NEVER, stream.next()).await {
            Ok(Some(Ok(chunk))) => match chunk.source {
                LogSource::Stdout => stdout.extend_from_slice(&chunk.bytes),
                LogSource::Stderr => stderr.extend_from_slice(&chunk.bytes),
            },
            Ok(Some(Err(error))) => return seen(Err::<String, _>(error)),
            end => {
                let end = if end.is_ok() { "ended" } else { "open" };
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return format!("{:?} {:?} {end}", text(stdout), text(stderr));
            }
        }
    }
}

/// Runs one behaviour and removes what it made, also when it panics.
async fn observe(lab: Lab, behaviour: for<'a> fn(&'a Lab) -> BoxFuture<'a, Seen>) -> Seen {
    let limit = Duration::from_mins(2);
    let outcome = AssertUnwindSafe(timeout(limit, behaviour(&lab))).catch_unwind().await;
    let cleaned = lab.clean_up().await;
    let seen = outcome.unwrap_or_else(|panic| resume_unwind(panic)).expect("an answer in time");
    cleaned.unwrap();
    seen
}

/// Declares behaviours: a name, the lab, what is to be seen, and what is done.
macro_rules! behaviours {
    ($($name:ident($lab:ident) sees $expected:expr; $body:block)*) => {
        $(fn $name($lab: &Lab) -> BoxFuture<'_, Seen> {
            async move $body.boxed()
        })*

        mod fake {
            use super::*;

            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                let expected: &[&str] = &$expected;
                assert_eq!(observe(Lab::on_fake(), super::$name).await, expected);
            })*
        }

        mod real {
            use super::*;

            $(#[tokio::test]
            #[ignore = "needs Docker: cargo xtask e2e"]
            async fn $name() {
                let fake = observe(Lab::on_fake(), super::$name).await;
                let real = observe(Lab::on_real_engine(), super::$name).await;
                assert_eq!(fake, real, "the fake, then the real engine");
            })*
        }
    };
}

behaviours! {
    creating_a_volume_again_returns_the_first_one(lab)
    sees ["first {}", "first {}", "first {}"]; {
        let first = lab.engine.create_volume(&lab.volume("cache", "first")).await;
        let mut second = lab.volume("cache", "second");
        second.options = [("colour".to_owned(), "red".to_owned())].into();
        let again = lab.engine.create_volume(&second).await;
        let found = lab.engine.inspect_volume(&lab.volume_name("cache")).await;
        [first, again, found].map(note).into()
    }

    a_volumes_mount_point_is_where_the_local_driver_puts_it(lab)
    sees ["local local true"]; {
        let volume = lab.engine.create_volume(&lab.volume("cache", "")).await.unwrap();
        let folder = format!("/volumes/{}/_data", volume.name);
        vec![format!("{} {} {}", volume.driver, volume.scope, volume.mountpoint.ends_with(&folder))]
    }

    options_that_the_local_driver_cannot_use_are_rejected(lab)
    sees ["rejected", "rejected", "rejected", " {\"device\": \"tmpfs\", \"o\": \"uid=1\", \"type\": \"tmpfs\"}"]; {
        let mut all = Seen::new();
        for options in [
            &[("colour", "red")][..],
            &[("type", "tmpfs")],
            &[("o", "uid=1"), ("type", "tmpfs")],
            &[("o", "uid=1"), ("type", "tmpfs"), ("device", "tmpfs")],
        ] {
            let mut request = lab.volume("cache", "");
            let option = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            request.options = options.iter().map(option).collect();
            all.push(note(lab.engine.create_volume(&request).await));
        }
        all
    }

    a_volume_is_in_use_by_a_container_in_every_state(lab)
    sees ["conflict", "conflict", "conflict", "ok"]; {
        let mut request = lab.job("job", Program::Sleeps);
        request.mounts.push(lab.mount("cache", "/cache"));
        let id = lab.create(&request).await;
        let volume = lab.volume_name("cache");
        let created = lab.engine.remove_volume(&volume).await;
        lab.engine.start_container(&id).await.unwrap();
        let running = lab.engine.remove_volume(&volume).await;
        lab.engine.stop_container(&id, GRACE).await.unwrap();
        let exited = lab.engine.remove_volume(&volume).await;
        lab.engine.remove_container(&id).await.unwrap();
        let free = lab.engine.remove_volume(&volume).await;
        [created, running, exited, free].map(done).into()
    }

    removing_a_volume_twice_is_not_found(lab)
    sees ["ok", "not found", "not found"]; {
        lab.engine.create_volume(&lab.volume("cache", "")).await.unwrap();
        let name = lab.volume_name("cache");
        let mut all = vec![
            done(lab.engine.remove_volume(&name).await),
            done(lab.engine.remove_volume(&name).await),
        ];
        all.push(note(lab.engine.inspect_volume(&name).await));
        all
    }

    volumes_are_listed_by_all_labels_and_by_name(lab)
    sees ["ant", "bee", "zebra", "none"]; {
        for hint in ["zebra", "ant", "bee"] {
            lab.engine.create_volume(&lab.volume(hint, hint)).await.unwrap();
        }
        let mut filter = lab.filter().to_vec();
        let listed = lab.engine.list_volumes(&filter).await.unwrap();
        filter.push(LabelFilter::equals("dev.berth.note", "wolf"));
        let none = lab.engine.list_volumes(&filter).await.unwrap();
        let mut all: Seen =
            listed.into_iter().map(|mut volume| volume.labels.remove("dev.berth.note").unwrap()).collect();
        all.push(if none.is_empty() { "none" } else { "some" }.to_owned());
        all
    }

    an_image_that_is_missing_is_not_found(lab)
    sees ["not found", "not found", "not found"]; {
        let mut request = lab.job("job", Program::Exits3);
        let absent: ImageReference = "berth-test-absent:none".parse().unwrap();
        request.image = absent.clone();
        let created = lab.engine.create_container(&request).await.map(|_| ());
        let inspected = lab.engine.inspect_image(&absent).await.map(|_| ());
        lab.create(&lab.job("job", Program::Exits3)).await;
        // The image is looked for before the name.
        let clash = lab.engine.create_container(&request).await.map(|_| ());
        [created, inspected, clash].map(done).into()
    }

    an_image_is_found_by_name_and_id(lab)
    sees ["same"]; {
        let image = lab.engine.inspect_image(&lab.image).await.unwrap();
        let again = lab.engine.inspect_image(&image.id.parse().unwrap()).await.unwrap();
        vec![if image == again { "same" } else { "other" }.to_owned()]
    }

    a_taken_container_name_is_a_conflict(lab)
    sees ["conflict", "created 0"]; {
        let request = lab.job("job", Program::Exits3);
        let first = lab.create(&request).await;
        let clash = done(lab.engine.create_container(&request).await.map(|_| ()));
        lab.engine.remove_container(&first).await.unwrap();
        let second = lab.create(&request).await;
        vec![clash, lab.status(&second).await]
    }

    two_mounts_with_one_destination_are_rejected_and_the_first_volume_stays(lab)
    sees ["rejected", "rejected", "rejected", "mount {}", "not found"]; {
        let mut all = Seen::new();
        for again in ["/c", "/c/", "/d/../c"] {
            let mut request = lab.job("job", Program::Exits3);
            request.mounts = vec![lab.mount("first", "/c"), lab.mount("second", again)];
            all.push(done(lab.engine.create_container(&request).await.map(|_| ())));
        }
        for volume in ["first", "second"] {
            all.push(note(lab.engine.inspect_volume(&lab.volume_name(volume)).await));
        }
        all
    }

    a_destination_that_is_relative_or_the_root_is_rejected(lab)
    sees ["rejected", "rejected", "rejected", "rejected", "rejected", "not found"]; {
        let mut all = Seen::new();
        for destination in ["c", "", "/", "/.", "/c/.."] {
            let mut request = lab.job("job", Program::Exits3);
            request.mounts = vec![lab.mount("cache", destination)];
            all.push(done(lab.engine.create_container(&request).await.map(|_| ())));
        }
        all.push(note(lab.engine.inspect_volume(&lab.volume_name("cache")).await));
        all
    }

    a_vanished_volume_comes_back_with_the_mounts_labels(lab)
    sees ["mount {}"]; {
        lab.engine.create_volume(&lab.volume("cache", "first")).await.unwrap();
        lab.engine.remove_volume(&lab.volume_name("cache")).await.unwrap();
        let mut request = lab.job("job", Program::Exits3);
        request.mounts.push(lab.mount("cache", "/cache"));
        lab.create(&request).await;
        vec![note(lab.engine.inspect_volume(&lab.volume_name("cache")).await)]
    }

    a_mount_leaves_the_labels_of_a_volume_that_is_there(lab)
    sees ["first {}"]; {
        lab.engine.create_volume(&lab.volume("cache", "first")).await.unwrap();
        let mut request = lab.job("job", Program::Exits3);
        request.mounts.push(lab.mount("cache", "/cache"));
        lab.create(&request).await;
        vec![note(lab.engine.inspect_volume(&lab.volume_name("cache")).await)]
    }

    containers_are_listed_newest_first_in_every_state(lab)
    sees ["third", "second", "first"]; {
        lab.exited("first", Program::Exits3).await;
        lab.started("second", Program::Sleeps).await;
        lab.create(&lab.job("third", Program::Exits3)).await;
        let listed = lab.engine.list_containers(&lab.filter()).await.unwrap();
        for container in &listed {
            assert!(container.name.ends_with(&container.labels["dev.berth.note"]));
        }
        listed.into_iter().map(|mut found| found.labels.remove("dev.berth.note").unwrap()).collect()
    }

    a_container_is_created_then_running_then_exited(lab)
    sees ["created 0", "running 0", "ok", "running 0", "ok", "exited 143"]; {
        let id = lab.create(&lab.job("job", Program::Sleeps)).await;
        let mut all = vec![lab.status(&id).await];
        lab.engine.start_container(&id).await.unwrap();
        all.push(lab.status(&id).await);
        all.push(done(lab.engine.start_container(&id).await));
        all.push(lab.status(&id).await);
        all.push(done(lab.engine.stop_container(&id, GRACE).await));
        all.push(lab.status(&id).await);
        all
    }

    a_waiter_registered_before_the_start_sees_the_exit_code(lab)
    sees ["exit 3", "exit 3", "exited 3"]; {
        let id = lab.create(&lab.job("job", Program::Exits3)).await;
        let exit = lab.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        lab.engine.start_container(&id).await.unwrap();
        let code = seen(exit.await.map(|status| format!("exit {}", status.code)));
        vec![code, lab.exit(&id, WaitCondition::NotRunning).await, lab.status(&id).await]
    }

    a_created_container_counts_as_not_running_with_code_0(lab)
    sees ["exit 0"]; {
        let id = lab.create(&lab.job("job", Program::Exits3)).await;
        vec![lab.exit(&id, WaitCondition::NotRunning).await]
    }

    the_next_exit_of_an_exited_container_comes_only_when_it_runs_again(lab)
    sees ["nothing", "exit 3"]; {
        let id = lab.exited("job", Program::Exits3).await;
        let mut exit = lab.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        let early = timeout(NEVER, &mut exit).await;
        lab.engine.start_container(&id).await.unwrap();
        let code = seen(exit.await.map(|status| format!("exit {}", status.code)));
        vec![if early.is_ok() { "something" } else { "nothing" }.to_owned(), code]
    }

    waiters_of_a_removed_container_get_137_or_the_last_code(lab)
    sees ["exit 0", "exit 3", "exit 137"]; {
        let created = lab.create(&lab.job("created", Program::Exits3)).await;
        let exited = lab.exited("exited", Program::Exits3).await;
        let running = lab.started("running", Program::Sleeps).await;
        let mut all = Seen::new();
        for id in [created, exited, running] {
            let exit = lab.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
            lab.engine.remove_container(&id).await.unwrap();
            all.push(seen(exit.await.map(|status| format!("exit {}", status.code))));
        }
        all
    }

    stopping_what_does_not_run_is_fine(lab)
    sees ["ok", "created 0", "ok", "exited 3"]; {
        let created = lab.create(&lab.job("created", Program::Exits3)).await;
        let exited = lab.exited("exited", Program::Exits3).await;
        let mut all = Seen::new();
        for id in [created, exited] {
            all.push(done(lab.engine.stop_container(&id, GRACE).await));
            all.push(lab.status(&id).await);
        }
        all
    }

    who_ignores_the_stop_is_killed_after_the_grace(lab)
    sees ["ok", "exited 137"]; {
        let id = lab.create(&lab.job("job", Program::SleepsThroughStop)).await;
        let mut output = lab.engine.attach_container(&id).await.unwrap();
        lab.engine.start_container(&id).await.unwrap();
        // The program is deaf from here on.
        output.next().await.unwrap().unwrap();
        drop(output);
        let stopped = lab.engine.stop_container(&id, Duration::from_millis(500)).await;
        vec![done(stopped), lab.status(&id).await]
    }

    removing_a_container_twice_is_not_found(lab)
    sees ["ok", "not found"]; {
        let id = lab.started("job", Program::Sleeps).await;
        vec![
            done(lab.engine.remove_container(&id).await),
            done(lab.engine.remove_container(&id).await),
        ]
    }

    a_container_that_is_gone_is_not_found_by_any_call(lab)
    sees ["not found", "not found", "not found", "not found", "not found", "not found"]; {
        let id = lab.create(&lab.job("job", Program::Exits3)).await;
        lab.engine.remove_container(&id).await.unwrap();
        vec![
            lab.status(&id).await,
            done(lab.engine.start_container(&id).await),
            done(lab.engine.stop_container(&id, GRACE).await),
            done(lab.engine.attach_container(&id).await.map(drop)),
            // Of the call itself, not of the future that it would return.
            done(lab.engine.wait_container(&id, WaitCondition::NextExit).await.map(drop)),
            done(lab.engine.wait_container(&id, WaitCondition::NotRunning).await.map(drop)),
        ]
    }

    who_attaches_before_the_start_reads_both_outputs_apart(lab)
    sees [r#""out\n" "err\n" ended"#]; {
        let id = lab.create(&lab.job("job", Program::PrintsToBoth)).await;
        let output = lab.engine.attach_container(&id).await.unwrap();
        lab.engine.start_container(&id).await.unwrap();
        vec![read(output).await]
    }

    who_attaches_to_an_exited_container_reads_its_next_run(lab)
    sees [r#""" "" open"#, r#""out\n" "err\n" ended"#]; {
        let id = lab.exited("job", Program::PrintsToBoth).await;
        let early = lab.engine.attach_container(&id).await.unwrap();
        let late = lab.engine.attach_container(&id).await.unwrap();
        let nothing = read(early).await;
        lab.engine.start_container(&id).await.unwrap();
        vec![nothing, read(late).await]
    }

    a_removal_ends_the_output_of_a_container_that_runs_and_of_no_other(lab)
    sees [r#""" "" open"#, r#""" "" ended"#]; {
        let created = lab.create(&lab.job("created", Program::Exits3)).await;
        let running = lab.started("running", Program::Sleeps).await;
        let mut all = Seen::new();
        for id in [created, running] {
            let output = lab.engine.attach_container(&id).await.unwrap();
            lab.engine.remove_container(&id).await.unwrap();
            all.push(read(output).await);
        }
        all
    }
}
