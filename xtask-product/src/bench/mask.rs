//! `bench mask`: a log with secrets in it through one stream, against a search of the same pieces
//! that finds the secrets and neither replaces them nor sees those that are cut.
//!
//! Speed is per second of one core's time, so that other programs on the machine do not count.

use std::{io, time::Duration};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use anyhow::{Result, ensure};
use bytes::Bytes;
use executor::log::Masker;
use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::{release, statistics::rounded};

const SECRETS: u64 = 1000;
const BYTES: usize = 512 << 20;
/// What the engine sends at most in one piece, as a rule.
const PIECE: usize = 32 << 10;
/// A secret comes about as often as this.
const BETWEEN: usize = 64 << 10;

/// Measures one pass, in a release build: another build makes one and runs it.
pub(crate) fn mask(json: bool) -> Result<()> {
    if cfg!(debug_assertions) {
        let arguments: &[&str] = if json { &["mask", "--json"] } else { &["mask"] };
        return release::run(arguments);
    }
    let measured = measure()?;
    let (speed, baseline) = (megabytes(measured.masking), megabytes(measured.searching));
    if json {
        println!(
            "{}",
            json!({
                "name": "mask",
                "mb_per_s": rounded(speed),
                "baseline_mb_per_s": rounded(baseline),
                "ratio": rounded(speed / baseline),
                "secrets": SECRETS,
                "bytes": BYTES,
                "masked": measured.masked,
                "build_ms": rounded(measured.building.as_secs_f64() * 1e3),
            })
        );
        return Ok(());
    }
    println!("{} MiB of log in pieces of {} KiB, {SECRETS} secrets", BYTES >> 20, PIECE >> 10);
    println!("{:<10} {speed:>9.1} MB/s", "masked");
    println!("{:<10} {baseline:>9.1} MB/s", "searched");
    println!("ratio {:.2}, {} masked", speed / baseline, measured.masked);
    Ok(())
}

fn megabytes(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "it is exact: a power of two")]
    let bytes = BYTES as f64;
    bytes / 1e6 / time.as_secs_f64()
}

/// How long this thread ran on a core.
fn core_time() -> Duration {
    // Cannot be negative.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

struct Measured {
    building: Duration,
    masking: Duration,
    searching: Duration,
    masked: usize,
}

fn measure() -> Result<Measured> {
    // The same in every run.
    let mut random = Rng::with_seed(1);
    let secrets: Vec<Vec<u8>> = (0..SECRETS).map(|_| secret(&mut random)).collect();
    let begin = core_time();
    let ours = Masker::new(&secrets)?;
    let building = core_time().saturating_sub(begin);
    let search = AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .match_kind(MatchKind::LeftmostLongest)
        .build(&secrets)?;

    let mut stream = ours.stream();
    let mut log = Log { random, secrets, text: Vec::new(), until_secret: BETWEEN, planted: 0 };
    let (mut masking, mut searching) = (Duration::ZERO, Duration::ZERO);
    let (mut delivered, mut masked) = (0, 0);
    for _ in 0..BYTES / PIECE {
        let piece = log.piece();
        let begin = core_time();
        // Keeps the search from being left out.
        std::hint::black_box(search.find_iter(&piece).count());
        let between = core_time();
        let output = stream.push(&piece);
        searching += between.saturating_sub(begin);
        masking += core_time().saturating_sub(between);
        delivered += output.len();
        masked += count(&output);
    }
    let rest = stream.finish();
    delivered += rest.len();
    masked += count(&rest);
    // The last secret may be cut by the end of the log.
    ensure!(
        masked.abs_diff(log.planted) <= 1 && delivered < BYTES,
        "{masked} secrets were masked, of {}",
        log.planted
    );
    Ok(Measured { building, masking, searching, masked })
}

fn count(output: &[u8]) -> usize {
    output.windows(8).filter(|window| window == b"[MASKED]").count()
}

/// A log like many: times, levels, words, paths and hexadecimal ids.
struct Log {
    random: Rng,
    secrets: Vec<Vec<u8>>,
    text: Vec<u8>,
    until_secret: usize,
    planted: usize,
}

impl Log {
    fn piece(&mut self) -> Bytes {
        while self.text.len() < PIECE {
            let before = self.text.len();
            // Writing to memory does not fail.
            let _ = self.line();
            let line = self.text.len() - before;
            self.until_secret = self.until_secret.saturating_sub(line);
        }
        let rest = self.text.split_off(PIECE);
        std::mem::replace(&mut self.text, rest).into()
    }

    fn line(&mut self) -> io::Result<()> {
        use io::Write as _;

        const LEVELS: [&str; 4] = ["INFO", "DEBUG", "WARN", "TRACE"];
        const WORDS: [&str; 16] = [
            "Compiling",
            "download",
            "cache",
            "test",
            "passed",
            "layer",
            "resolve",
            "module",
            "warning:",
            "unused",
            "variable",
            "GET",
            "linking",
            "target",
            "in",
            "from",
        ];
        let random = &mut self.random;
        let time = random.u64(..86_400_000);
        let level = LEVELS[random.usize(..LEVELS.len())];
        write!(self.text, "2026-11-25T{:08.3} {level} ", time % 86_400)?;
        for _ in 0..2 + random.usize(..8) {
            write!(self.text, "{} ", WORDS[random.usize(..WORDS.len())])?;
        }
        match random.usize(..4) {
            0 => {
                write!(self.text, "src/module_{}/file_{}.rs:{}", time % 97, time % 31, time % 500)?;
            }
            1 => write!(self.text, "sha256:{:016x}{:016x}", random.u64(..), random.u64(..))?,
            2 => write!(self.text, "took {} ms", time % 10_000)?,
            _ => {}
        }
        if self.until_secret == 0 {
            let secret = random.usize(..self.secrets.len());
            self.text.extend_from_slice(b" token=");
            self.text.extend_from_slice(&self.secrets[secret]);
            self.planted += 1;
            self.until_secret = BETWEEN;
        }
        self.text.push(b'\n');
        Ok(())
    }
}

/// 8 to 64 letters and digits.
fn secret(random: &mut Rng) -> Vec<u8> {
    let length = random.usize(8..=64);
    (0..length).map(|_| random.alphanumeric() as u8).collect()
}
