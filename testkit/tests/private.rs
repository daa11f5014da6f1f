//! What `PrivateEngine` promises, and what killing a daemon does to a container that is attached.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use docker_api_trait::{
    ApiError, Attachment, BollardDocker, ContainerApi as _, ContainerId, ContainerRequest,
    ContainerStatus, Endpoint, ImageApi as _, Input, LogStream, SystemApi as _, WaitCondition,
};
use futures_util::StreamExt as _;
use testkit::{EngineError, EngineOptions, PrivateEngine, suite};
use tokio::time::{Instant, sleep, timeout};

const LONG: Duration = Duration::from_mins(1);

async fn engine(options: EngineOptions) -> PrivateEngine {
    let engine = PrivateEngine::start(options).await.unwrap();
    engine.copy_image(&suite::socket(), &suite::image()).await.unwrap();
    engine
}

/// Mounts, links of the network, control groups and folders, of the machine.
fn machine() -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut seen: BTreeSet<String> =
        mounts.lines().filter(|line| line.contains("engine-")).map(str::to_owned).collect();
    for folder in ["/sys/class/net", "/run/containerd/s", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen.insert(entry.path().display().to_string());
        }
    }
    seen
}

/// What is of `engine` outside of itself.
fn traces(engine: &PrivateEngine) -> Vec<String> {
    traces_of(&engine.socket())
}

fn traces_of(socket: &std::path::Path) -> Vec<String> {
    let folder = socket.parent().unwrap().to_owned();
    let text = folder.display().to_string();
    let mut traces = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&text) {
            traces.push(entry.path().display().to_string());
        }
    }
    let name = folder.file_name().unwrap().to_str().unwrap();
    traces.extend(machine().into_iter().filter(|line| line.contains(name)));
    if folder.exists() {
        traces.push(text);
    }
    traces
}

/// Ticks ten times a second, echoes what it reads, and says when there is no more to read.
const TICKER: &str = "i=0; (while [ $i -lt 600 ]; do echo tick; i=$((i+1)); sleep 0.1; done) & \
    while read line; do echo got $line; done; echo end; wait";

/// A container that runs [`TICKER`], and both its ends.
async fn ticking(docker: &BollardDocker) -> (ContainerId, Attachment) {
    let mut request = ContainerRequest::new("ticker".parse().unwrap(), suite::image());
    request.entrypoint = vec!["sh".to_owned()];
    request.arguments = ["-c", TICKER].map(ToOwned::to_owned).to_vec();
    request.input = Input::Once;
    let id = docker.create_container(&request).await.unwrap().id;
    let attachment = docker.attach_container_with_input(&id).await.unwrap();
    docker.start_container(&id).await.unwrap();
    (id, attachment)
}

/// Reads until `text` has come; all that has come. None when the output ends before.
async fn hear(output: &mut LogStream, text: &str) -> Option<String> {
    let mut heard = String::new();
    while !heard.contains(text) {
        let chunk = timeout(LONG, output.next()).await.expect("it goes on or ends")?.ok()?;
        heard.push_str(&String::from_utf8_lossy(&chunk.bytes));
    }
    Some(heard)
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn an_engine_of_ones_own_is_another_and_leaves_nothing() {
    let before = machine();
    let engine = engine(EngineOptions::default()).await;
    let docker = engine.docker();
    let of_shared = BollardDocker::new(Endpoint::Unix(suite::socket())).unwrap();
    assert_ne!(docker.info().await.unwrap().id, of_shared.info().await.unwrap().id);
    let (_, mut attachment) = ticking(&docker).await;
    hear(&mut attachment.output, "tick").await.unwrap();
    assert!(traces(&engine).len() > 3);
    let socket = engine.socket();
    engine.stop().await.unwrap();
    assert_eq!(traces_of(&socket), Vec::<String>::new());
    // The bridge of the shared engine, too: a daemon without one removes that of its namespace. Those of
    // networks come and go with other tests.
    let is_lasting = |link: &&String| {
        link.contains("/net/") && !link.contains("/net/veth") && !link.contains("/net/br-")
    };
    let gone: Vec<_> =
        before.iter().filter(is_lasting).filter(|link| !Path::new(link).exists()).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn an_engine_that_is_dropped_leaves_nothing_either() {
    let mut engine = engine(EngineOptions { live_restore: true, ..Default::default() }).await;
    let (_, mut attachment) = ticking(&engine.docker()).await;
    hear(&mut attachment.output, "tick").await.unwrap();
    // Its containers have nobody who would end them.
    engine.kill().await.unwrap();
    let socket = engine.socket();
    drop(engine);
    // On a busy machine a drop does not wait for all of it.
    let deadline = Instant::now() + LONG;
    while !traces_of(&socket).is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(traces_of(&socket), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn with_live_restore_a_container_outlives_its_daemon_and_its_input_goes_on() {
    let mut engine = engine(EngineOptions { live_restore: true, ..Default::default() }).await;
    let docker = engine.docker();
    let (id, mut attachment) = ticking(&docker).await;
    attachment.input.write("one\n".into()).await.unwrap();
    hear(&mut attachment.output, "got one").await.unwrap();
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    engine.kill().await.unwrap();
    // The attachment ends as if that were all; the wait does not.
    while let Some(chunk) = timeout(LONG, attachment.output.next()).await.unwrap() {
        chunk.unwrap();
    }
    assert!(matches!(exit.await, Err(ApiError::Lost { .. })));
    assert!(matches!(docker.version().await, Err(ApiError::Unreachable { .. })));
    assert!(matches!(engine.kill().await, Err(EngineError::NotRunning)));

    engine.restart().await.unwrap();
    let details = docker.inspect_container(&id).await.unwrap();
    assert_eq!(details.status, ContainerStatus::Running);
    let mut attachment = docker.attach_container_with_input(&id).await.unwrap();
    attachment.input.write("two\n".into()).await.unwrap();
    let heard = hear(&mut attachment.output, "got two").await.unwrap();
    // No end of its input: the daemon's death did not close it.
    assert!(!heard.contains("end"), "{heard}");
    engine.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn without_live_restore_a_container_ends_when_its_daemon_comes_back() {
    for graceful in [false, true] {
        let mut engine = engine(EngineOptions::default()).await;
        let docker = engine.docker();
        let (id, mut attachment) = ticking(&docker).await;
        hear(&mut attachment.output, "tick").await.unwrap();
        if graceful {
            drop(attachment);
            engine.terminate().await.unwrap();
        } else {
            engine.kill().await.unwrap();
        }
        engine.restart().await.unwrap();
        let details = docker.inspect_container(&id).await.unwrap();
        assert_eq!(details.status, ContainerStatus::Exited);
        assert!(details.exit_code >= 128, "{}", details.exit_code);
        // Images and identity stay.
        docker.inspect_image(&suite::image()).await.unwrap();
        engine.stop().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn an_engine_with_little_room_runs_out_of_it() {
    let options = EngineOptions { room: Some(64 << 20), ..Default::default() };
    let engine = engine(options).await;
    let docker = engine.docker();
    let mut request = ContainerRequest::new("filler".parse().unwrap(), suite::image());
    request.entrypoint = vec!["sh".to_owned()];
    let fill = "dd if=/dev/zero of=/fill bs=1M count=200 2>&1 | grep -q 'No space' && exit 9";
    request.arguments = ["-c", fill].map(ToOwned::to_owned).to_vec();
    let id = docker.create_container(&request).await.unwrap().id;
    let exit = docker.wait_container(&id, WaitCondition::NextExit).await.unwrap();
    docker.start_container(&id).await.unwrap();
    assert_eq!(exit.await.unwrap().code, 9);
    request.name = "second".parse().unwrap();
    let second = docker.create_container(&request).await.unwrap_err();
    assert!(second.is_disk_full(), "{second:?}");
    engine.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn a_daemon_that_cannot_start_says_why_and_leaves_nothing() {
    let options =
        EngineOptions { arguments: vec!["--no-such-argument".to_owned()], ..Default::default() };
    let error = PrivateEngine::start(options).await.unwrap_err();
    let EngineError::Ended { status, log } = error else { panic!("{error:?}") };
    assert!(!status.success() && log.contains("no-such-argument"), "{log}");
}

#[tokio::test]
#[ignore = "needs Docker: cargo xtask e2e"]
async fn an_image_that_is_not_there_or_no_image_is_refused() {
    let engine = PrivateEngine::start(EngineOptions::default()).await.unwrap();
    let missing =
        engine.copy_image(&suite::socket(), &"berth-no-such-image:x".parse().unwrap()).await;
    assert!(matches!(missing, Err(EngineError::Image { status: 404 | 500, .. })), "{missing:?}");
    let nonsense = engine.load_image("not an archive").await;
    assert!(matches!(nonsense, Err(EngineError::Image { .. })), "{nonsense:?}");
    engine.stop().await.unwrap();
}
