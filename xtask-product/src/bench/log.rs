//! `bench log`: the output of a job on its way into a sink that checks it, against bare reading of
//! what the same program writes.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use docker_api_trait::{BollardDocker, ImageReference, LogSource};
use executor::{
    Command, Executor, ExecutorConfig, JobOutcome, JobSpec, Trust, Variable, log::LogEnd,
};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, time::Instant};
use volume_manager::DockerVolumeManager;

use super::{
    bare::Bare,
    frames::Frames,
    memory::Peak,
    release,
    statistics::{Summary, ratio, rounded, turn},
    target::{Target, profile},
    text::Text,
    witness::Witness,
};
use crate::target::ensure_image;

/// What a bare reader reads at once.
const BUFFER: usize = 64 * 1024;

const SOURCES: [LogSource; 2] = [LogSource::Stdout, LogSource::Stderr];
/// The ways to read the output.
const WAYS: [Way; 3] = [Way::Berth, Way::Bare, Way::Masked];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Through the executor.
    Berth,
    /// Off the socket.
    Bare,
    /// Through the executor, with a hundred secrets.
    Masked,
}

/// Reads the output each way, in turn and with the first of each round changing, and prints what
/// that says. Fails when anything arrives otherwise than it was written; never for a timing. Another build than one for release makes one and
/// runs it.
pub(crate) async fn log(megabytes: u64, pairs: u32, json: bool) -> Result<()> {
    if cfg!(debug_assertions) {
        let (megabytes, pairs) = (megabytes.to_string(), pairs.to_string());
        let mut arguments = vec!["log", "--megabytes", &megabytes, "--pairs", &pairs];
        arguments.extend(json.then_some("--json"));
        return release::run(&arguments);
    }
    let Target { engine, socket, version } = Target::connect().await?;
    let image = ensure_image(&xtask::engine::require()?)?;
    let name = format!("bench-{}", executor::RunContext::draw().run);
    let text = Text::new(megabytes);
    let expected = [Way::Berth, Way::Masked]
        .map(|way| SOURCES.map(|source| text.sha256(source, way == Way::Masked)));
    let bench = Bench { engine, image, name, text, expected };
    let bare = Bare::new(&socket);
    let mut measured = Measured::default();
    // The first round hashes what comes, and is not counted.
    for round in 0..=pairs {
        for way in turn(WAYS, round) {
            let took = match way {
                Way::Bare => bench.bare(&bare, round).await.context("the bare reading failed")?,
                Way::Berth | Way::Masked => {
                    let peak = Peak::begin();
                    let took = bench.berth(way, round == 0).await?;
                    let peak = peak.and_then(|peak| peak.kibibytes());
                    measured.peak = measured.peak.max(peak);
                    took
                }
            };
            if round > 0 {
                measured.times[way as usize].push(took);
            }
        }
    }
    measured.print(&bench.text, pairs, json, &version);
    Ok(())
}

#[derive(Default)]
struct Measured {
    times: [Vec<Duration>; WAYS.len()],
    /// The most memory that any of ours took, in KiB; nothing where it cannot be told.
    peak: Option<u64>,
}

impl Measured {
    fn print(&self, text: &Text, pairs: u32, json: bool, version: &str) {
        let [berth, bare, masked] =
            WAYS.map(|way| speed(text.bytes(), Summary::of(&self.times[way as usize]).median));
        let (ratio, masked_ratio) = (ratio(berth, bare), ratio(masked, bare));
        let peak = self.peak.map(|kibibytes| rounded(exact(kibibytes) / 1024.0));
        if json {
            println!(
                "{}",
                json!({
                    "name": "log",
                    "pairs": pairs,
                    "bytes": text.bytes(),
                    "berth_mb_per_s": rounded(berth),
                    "bare_mb_per_s": rounded(bare),
                    "ratio": ratio,
                    "masked_mb_per_s": rounded(masked),
                    "masked_ratio": masked_ratio,
                    "peak_rss_mib_above_idle": peak,
                    // Otherwise nothing is printed.
                    "sha256_equal": true,
                    "profile": profile(),
                    "engine": version,
                })
            );
            return;
        }
        println!(
            "a job that writes {} MB, {pairs} rounds, engine {version}, {} build",
            text.bytes() / 1_000_000,
            profile()
        );
        println!("{:<24} {:>8} {:>6}", "", "MB/s", "ratio");
        println!("{:<24} {berth:>8.1} {ratio:>6.2}", "berth");
        println!("{:<24} {masked:>8.1} {masked_ratio:>6.2}", "berth, 100 secrets");
        println!("{:<24} {bare:>8.1}", "bare");
        match peak {
            Some(peak) => println!("at most {peak:.1} MiB of memory above idle; hashes are equal"),
            None => println!("hashes are equal"),
        }
    }
}

/// In MB a second.
fn speed(bytes: u64, milliseconds: f64) -> f64 {
    exact(bytes) / 1e3 / milliseconds
}

#[allow(clippy::cast_precision_loss, reason = "no number here has more than 52 bits")]
fn exact(number: u64) -> f64 {
    number as f64
}

struct Bench {
    engine: BollardDocker,
    image: ImageReference,
    name: String,
    text: Text,
    /// The hashes of stdout and stderr, without secrets and with them.
    expected: [[String; 2]; 2],
}

impl Bench {
    /// How long it took from the first piece to the end of the step.
    async fn berth(&self, way: Way, hashes: bool) -> Result<Duration> {
        let engine = Arc::new(self.engine.with_own_count());
        let volumes = Arc::new(DockerVolumeManager::new(engine.clone()));
        let executor = Executor::new(engine, volumes, ExecutorConfig::new("bench"));
        let command = Command::script(self.text.script())?;
        let mut job = JobSpec::new(self.name.clone(), Trust::Trusted, self.image.clone(), command);
        let masked = way == Way::Masked;
        if masked {
            for (index, secret) in self.text.secrets().iter().enumerate() {
                job.variables.push(Variable::new(format!("SECRET_{index}"), secret)?.masked());
            }
        }
        let text = self.text.expected(masked);
        let repeated = text.len() as u64;
        let sink = Witness::new(&text, hashes);
        let result = executor.job(&job).sink(sink.clone()).run().await?;
        let succeeded = matches!(result.outcome, JobOutcome::Succeeded);
        ensure!(succeeded, "the job to be measured did not succeed: {:?}", result.outcome);
        ensure!(result.log == LogEnd::Complete, "the log is not complete: {:?}", result.log);
        for (source, expected) in SOURCES.iter().zip(&self.expected[usize::from(masked)]) {
            let came = sink.equal(*source);
            let came = came.with_context(|| format!("{way:?}: other bytes came on {source:?}"))?;
            ensure!(came == self.text.share(*source) * repeated, "{way:?}: {came} bytes came");
            if hashes {
                let hash = sink.hash(*source).context("it was hashed")?;
                ensure!(hash == *expected, "{way:?}: the hash of {source:?} is another");
            }
        }
        sink.time().context("nothing arrived")
    }

    /// How long it took from the first piece to the end of the stream.
    async fn bare(&self, bare: &Bare, round: u32) -> Result<Duration> {
        let mut connection = bare.connect().await?;
        let body = json!({
            "Image": self.image.as_str(),
            "Cmd": ["sh", "-c", self.text.script()],
            "HostConfig": { "Init": true, "LogConfig": { "Type": "none" } },
        });
        let name = format!("{}-{round}", self.name);
        let id = connection.create_container(&name, &body).await?;
        let read = self.read(bare, &id).await;
        connection.remove(&id).await?;
        read
    }

    async fn read(&self, bare: &Bare, id: &str) -> Result<Duration> {
        let path = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        let mut stream = bare.upgrade(&path, None).await?;
        let exit = bare.wait(id).await?;
        bare.connect().await?.start(id).await?;
        let mut buffer = vec![0; BUFFER];
        let mut frames = Frames::default();
        let mut begun = None;
        loop {
            let length = stream.read(&mut buffer).await?;
            let begun = *begun.get_or_insert_with(Instant::now);
            if length == 0 {
                let took = begun.elapsed();
                let [stdout, stderr] = SOURCES.map(|source| self.text.share(source) << 20);
                let came = frames.counts();
                ensure!(came == (stdout, stderr), "{came:?} bytes came");
                let code = exit.code().await?;
                ensure!(code == 0, "the bare job ended with {code}");
                return Ok(took);
            }
            frames.push(&buffer[..length]);
        }
    }
}
