//! `PrivateEngine`: a `dockerd` of a test's own, from its start to its end.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use docker_api_trait::{BollardDocker, Endpoint, ImageReference, SystemApi as _};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::{
    EngineError, clean, image,
    namespace::{Namespaces, child_of},
};

/// A busy machine takes many times what a quiet one does.
const START_LIMIT: Duration = Duration::from_mins(3);
const STOP_LIMIT: Duration = Duration::from_mins(2);
/// How often a daemon is started that ends by itself.
const STARTS: u32 = 4;
const POLL: Duration = Duration::from_millis(20);
/// How often it is tried to remove what is left: for a minute by who stops it, for twenty seconds in
/// a drop.
const SWEEPS: u32 = 3000;
const SWEEPS_IN_DROP: u32 = 1000;
const LOG_LINES: usize = 20;

/// What an engine of a test's own is like.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Whether containers go on while the daemon is away.
    pub live_restore: bool,
    /// How much room there is for images, containers and volumes, in bytes. It is in memory then, and
    /// volumes cannot be looked into from outside. Without a limit it is a folder on the disk.
    pub room: Option<u64>,
    /// Further arguments of `dockerd`.
    pub arguments: Vec<String>,
}

/// A `dockerd` of a test's own, on a socket of its own, with its own data, containerd, identity
/// and namespaces of network, mounts and processes. It has no bridge: containers run without a
/// network or with the host's, that of the namespace.
///
/// It takes root, and the programs `dockerd`, `docker-init`, `unshare` and `nsenter`. Nothing of
/// it outlives the test's process, however that ends: the kernel ends the namespaces' processes
/// and mounts. After [`stop`](Self::stop), and after a drop that is given twenty seconds for it,
/// neither the folder nor a control group is left; after the test's process is killed, those two
/// are.
///
/// ```no_run
/// use docker_api_trait::SystemApi as _;
/// use testkit::{EngineOptions, PrivateEngine};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = EngineOptions { live_restore: true, ..EngineOptions::default() };
/// let mut engine = PrivateEngine::start(options).await?;
/// engine.copy_image("/var/run/docker.sock".as_ref(), &"busybox:latest".parse()?).await?;
/// let docker = engine.docker();
/// // A job begins …
/// engine.kill().await?;
/// assert!(docker.version().await.is_err());
/// engine.restart().await?;
/// // … and goes on.
/// engine.stop().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PrivateEngine {
    /// Before the folder: what is in them uses it.
    namespaces: Namespaces,
    /// `nsenter`, whose child the daemon is. None when that was ended.
    daemon: Option<Child>,
    options: EngineOptions,
    group: String,
    folder: TempDir,
    /// Whether everything is removed already.
    stopped: bool,
}

impl PrivateEngine {
    /// Starts one, and returns when it answers. A daemon that ends before is started
    /// anew, three times: its containerd is sometimes slow.
    ///
    /// # Errors
    /// Every variant but [`EngineError::NotRunning`], [`EngineError::Image`] and
    /// [`EngineError::Left`]. Nothing of it is left.
    pub async fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let folder =
            TempDir::with_prefix("engine-").map_err(EngineError::system("make a folder"))?;
        let data = folder.path().join("data");
        fs::create_dir(&data).map_err(EngineError::system("make a folder"))?;
        fs::write(folder.path().join("daemon.json"), "{}")
            .map_err(EngineError::system("write a configuration"))?;
        let namespaces = Namespaces::begin(&data, options.room)?;
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let group = format!("berth-{name}");
        let mut engine = Self { namespaces, daemon: None, options, group, folder, stopped: false };
        engine.run().await?;
        Ok(engine)
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// A way to it, which stays one when it is restarted.
    pub fn docker(&self) -> BollardDocker {
        let docker = BollardDocker::new(Endpoint::Unix(self.socket()));
        docker.unwrap_or_else(|_| unreachable!("only files for TLS can be at fault"))
    }

    /// The end of the daemon's log.
    pub fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Gives it images, from an archive as `docker save` writes it.
    ///
    /// # Errors
    /// [`EngineError::Image`] when it does not take them, [`EngineError::System`] when it does not
    /// answer.
    pub async fn load_image(&self, archive: impl Into<Bytes>) -> Result<(), EngineError> {
        image::load(&self.socket(), archive.into()).await
    }

    /// Gives it an image that the engine at the unix socket `from` has.
    ///
    /// # Errors
    /// As for [`load_image`](Self::load_image), of either engine.
    pub async fn copy_image(&self, from: &Path, image: &ImageReference) -> Result<(), EngineError> {
        self.load_image(image::save(from, image).await?).await
    }

    /// Kills the daemon with SIGKILL, alone: containers go on. Its containerd dies with it.
    /// Returns when it is gone.
    ///
    /// # Errors
    /// [`EngineError::NotRunning`] when it does not run, [`EngineError::System`] when it cannot be
    /// killed.
    pub async fn kill(&mut self) -> Result<(), EngineError> {
        self.signal(Signal::KILL).await
    }

    /// Asks the daemon to end, with SIGTERM, and returns when it has. Without live-restore it
    /// stops its containers before.
    ///
    /// # Errors
    /// As for [`kill`](Self::kill); [`EngineError::TimedOut`] after two minutes.
    pub async fn terminate(&mut self) -> Result<(), EngineError> {
        self.signal(Signal::TERM).await
    }

    /// Starts the daemon again, on the same data and the same socket; before, asks it to end when
    /// it runs.
    ///
    /// # Errors
    /// As for [`terminate`](Self::terminate) and [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<(), EngineError> {
        match self.terminate().await {
            Ok(()) | Err(EngineError::NotRunning) => self.run().await,
            Err(error) => Err(error),
        }
    }

    /// Ends it, its containers and everything else of it.
    ///
    /// # Errors
    /// [`EngineError::Left`] when something is left.
    pub async fn stop(mut self) -> Result<(), EngineError> {
        self.namespaces.end();
        if let Some(mut daemon) = self.daemon.take() {
            // It ends with what it waits for.
            let _ = timeout(STOP_LIMIT, daemon.wait()).await;
        }
        let mut left = Vec::new();
        for _ in 0..SWEEPS {
            left = clean::sweep(self.folder.path(), &self.group);
            if left.is_empty() {
                break;
            }
            sleep(POLL).await;
        }
        self.stopped = true;
        if left.is_empty() { Ok(()) } else { Err(EngineError::Left { what: left }) }
    }

    /// Stops the daemon with SIGSTOP: it keeps its connections and answers nothing. Containers go on.
    ///
    /// # Errors
    /// [`EngineError::NotRunning`] when it does not run, [`EngineError::System`] when it cannot be
    /// signalled.
    pub fn suspend(&self) -> Result<(), EngineError> {
        self.send(Signal::STOP)
    }

    /// Lets a daemon go on that was [suspended](Self::suspend).
    ///
    /// # Errors
    /// As for [`suspend`](Self::suspend).
    pub fn wake(&self) -> Result<(), EngineError> {
        self.send(Signal::CONT)?;
        // `nsenter` stops itself with its child.
        let outer = self.daemon.as_ref().and_then(Child::id).and_then(to_pid);
        kill_process(outer.ok_or(EngineError::NotRunning)?, Signal::CONT)
            .map_err(|error| EngineError::system("signal nsenter")(error.into()))
    }

    fn send(&self, signal: Signal) -> Result<(), EngineError> {
        let daemon = self.daemon.as_ref().and_then(Child::id);
        let process = daemon.and_then(child_of).and_then(to_pid).ok_or(EngineError::NotRunning)?;
        kill_process(process, signal)
            .map_err(|error| EngineError::system("signal dockerd")(error.into()))
    }

    async fn signal(&mut self, signal: Signal) -> Result<(), EngineError> {
        let Some(daemon) = &mut self.daemon else { return Err(EngineError::NotRunning) };
        let process = daemon.id().and_then(child_of).and_then(to_pid);
        if let Some(process) = process {
            kill_process(process, signal)
                .map_err(|error| EngineError::system("signal dockerd")(error.into()))?;
        }
        let ended = timeout(STOP_LIMIT, daemon.wait()).await;
        let Ok(ended) = ended else {
            return Err(EngineError::TimedOut { limit: STOP_LIMIT, log: self.log() });
        };
        ended.map_err(EngineError::system("wait for dockerd"))?;
        self.daemon = None;
        if process.is_none() { Err(EngineError::NotRunning) } else { Ok(()) }
    }

    async fn run(&mut self) -> Result<(), EngineError> {
        for _ in 1..STARTS {
            match self.try_to_run().await {
                Err(EngineError::Ended { .. }) => {}
                other => return other,
            }
        }
        self.try_to_run().await
    }

    async fn try_to_run(&mut self) -> Result<(), EngineError> {
        let mut daemon = self.command()?.spawn().map_err(EngineError::system("start dockerd"))?;
        let deadline = Instant::now() + START_LIMIT;
        let docker = self.docker();
        loop {
            if docker.version().await.is_ok() {
                self.daemon = Some(daemon);
                return Ok(());
            }
            if let Some(status) =
                daemon.try_wait().map_err(EngineError::system("wait for dockerd"))?
            {
                return Err(EngineError::Ended { status, log: self.log() });
            }
            if Instant::now() >= deadline {
                self.daemon = Some(daemon);
                // What is left of it ends with the namespaces.
                let _ = self.kill().await;
                return Err(EngineError::TimedOut { limit: START_LIMIT, log: self.log() });
            }
            sleep(POLL).await;
        }
    }

    fn command(&self) -> Result<Command, EngineError> {
        let folder = self.folder.path();
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .map_err(EngineError::system("open a log"))?;
        let errors = log.try_clone().map_err(EngineError::system("open a log"))?;
        let mut command = Command::from(self.namespaces.command("dockerd")?);
        command.arg("--config-file").arg(folder.join("daemon.json"));
        command.arg("--data-root").arg(folder.join("data"));
        command.arg("--exec-root").arg(folder.join("exec"));
        command.arg("--pidfile").arg(folder.join("pid"));
        command.arg("--host").arg(format!("unix://{}", self.socket().display()));
        command.args(["--bridge", "none", "--iptables=false"]);
        // A group of its own, so that what is left of it can be found. The other driver takes systemd.
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs"]);
        command.arg("--cgroup-parent").arg(format!("/{}", self.group));
        if self.options.live_restore {
            command.arg("--live-restore");
        }
        command.args(&self.options.arguments);
        command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(errors);
        Ok(command)
    }
}

fn to_pid(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}

impl Drop for PrivateEngine {
    /// For a test that failed: does what [`stop`](Self::stop) does, and waits for it at most
    /// twenty seconds.
    #[allow(clippy::disallowed_methods, reason = "a drop cannot await")]
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        self.namespaces.end();
        for _ in 0..SWEEPS_IN_DROP {
            if clean::sweep(self.folder.path(), &self.group).is_empty() {
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}
