//! `Crash`: a program that is killed at a request, for every request, before and after its effect.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Mutex,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{process::Command, sync::oneshot, time::sleep};

use crate::{Backend, Passage, Proxy, RecordedRequest, Side, WireRequest};

/// Where a program is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CrashSite {
    /// The request's number; the first is 0. Requests are counted as they arrive.
    pub request: usize,
    /// Before the engine has it; or after the engine has begun to answer, before the program hears
    /// of it.
    pub side: Side,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrashEnd {
    /// It was killed with SIGKILL at this request.
    Killed(WireRequest),
    /// It ended by itself, before it came to the site.
    Completed(ExitStatus),
}

/// What came of a run.
#[derive(Debug)]
pub struct CrashReport {
    /// Where it was to be killed.
    pub site: CrashSite,
    /// How it ended.
    pub end: CrashEnd,
    /// What it asked of the engine, the request at which it was killed included.
    pub requests: Vec<RecordedRequest>,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl CrashReport {
    /// The requests that the engine may still carry out: the program was killed before their
    /// replies came. An engine in need of time does so seconds later; who looks at once for what a
    /// program left, looks again when there are any.
    pub fn unanswered(&self) -> impl Iterator<Item = &RecordedRequest> {
        let held = |one: &RecordedRequest| {
            self.site.side == Side::Before && one.request.number == self.site.request
        };
        self.requests.iter().filter(move |one| !one.answered && !held(one))
    }
}

/// Why a run has no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrashError {
    /// The program could not be run, or no proxy be made for it.
    #[error("could not run the program")]
    Run(#[from] io::Error),
    /// It neither came to the site nor ended in time. It was killed.
    #[error("the program took longer than {} s", .limit.as_secs())]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
}

/// Kills programs that talk to the engine of `DOCKER_HOST`, each at one request.
///
/// Each run has a proxy of its own in front of the engine. At the site the request is held there
/// and the program killed with SIGKILL; the request, or its reply, never goes on. What the program
/// asked for beside it, on other connections, may have had its effect. Children of the program are
/// not killed.
///
/// ```no_run
/// use testkit::{Crash, CrashEnd};
/// use tokio::process::Command;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), testkit::CrashError> {
/// let crash = Crash::new("/var/run/docker.sock");
/// let mut sites = crash.sites();
/// while let Some(site) = sites.next() {
///     let mut program = Command::new("berth");
///     program.args(["run", "--image", "busybox", "--", "true"]);
///     let report = crash.run(site, program).await?;
///     // … recover, and see that nothing is left.
///     sites.ran(&report);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Crash {
    backend: Backend,
    limit: Duration,
}

impl Crash {
    /// For the engine at this unix socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self::with_backend(Backend::socket(socket))
    }

    /// For any backend of a proxy.
    pub fn with_backend(backend: Backend) -> Self {
        Self { backend, limit: Duration::from_mins(1) }
    }

    /// How long one run may take; a minute when nothing is said.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Every site, one after the other: of each request before and after, until a program ends
    /// without coming to one.
    pub fn sites(&self) -> CrashSites {
        CrashSites { next: Some(CrashSite { request: 0, side: Side::Before }) }
    }

    /// Runs the program, to its end or to the site. Its `DOCKER_HOST` is set, its standard input
    /// is nothing, and what it writes is kept; everything else is as the command says.
    ///
    /// # Errors
    /// When it cannot be run, or does not end. It does not run any more then.
    pub async fn run(
        &self,
        site: CrashSite,
        mut program: Command,
    ) -> Result<CrashReport, CrashError> {
        let proxy = Proxy::new(self.backend.clone())?;
        let (reached, site_reached) = oneshot::channel();
        let reached = Mutex::new(Some(reached));
        proxy.on_request(move |request, side| {
            if (request.number, side) != (site.request, site.side) {
                return async { Passage::Go }.boxed();
            }
            let reached = reached.lock().ok().and_then(|mut reached| reached.take());
            if let Some(reached) = reached {
                // Nobody listening: the program was killed for another reason.
                let _ = reached.send(request);
            }
            // Until the connection ends with the proxy: it never goes on.
            std::future::pending().boxed()
        });
        program.env("DOCKER_HOST", proxy.host()).env_remove("DOCKER_CONTEXT").kill_on_drop(true);
        // Files, not pipes: those a child of the program may hold open.
        let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        program.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let mut child = program.spawn()?;
        let end = tokio::select! {
            // One that ended at the site has been there.
            biased;
            Ok(request) = site_reached => CrashEnd::Killed(request),
            status = child.wait() => CrashEnd::Completed(status?),
            () = sleep(self.limit) => {
                child.kill().await?;
                return Err(CrashError::TimedOut { limit: self.limit });
            }
        };
        if matches!(end, CrashEnd::Killed(_)) {
            // Of one that has ended meanwhile it does nothing.
            child.kill().await?;
        }
        let requests = proxy.requests();
        Ok(CrashReport {
            site,
            end,
            requests,
            stdout: written(&mut stdout)?,
            stderr: written(&mut stderr)?,
        })
    }
}

fn written(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The sites of a program whose number of requests nobody knows before.
#[derive(Debug, Clone)]
pub struct CrashSites {
    next: Option<CrashSite>,
}

impl CrashSites {
    /// Takes note of a run: when the program ended before it made the request, there are no more
    /// sites.
    pub fn ran(&mut self, report: &CrashReport) {
        let completed = matches!(report.end, CrashEnd::Completed(_));
        // One that does not wait for a reply may end before it comes, and still have made the request.
        if completed && report.site.side == Side::Before {
            self.next = None;
        }
    }
}

impl Iterator for CrashSites {
    type Item = CrashSite;

    /// Without end until [`ran`](Self::ran) says so.
    fn next(&mut self) -> Option<CrashSite> {
        let site = self.next?;
        self.next = Some(match site.side {
            Side::Before => CrashSite { side: Side::After, ..site },
            Side::After => CrashSite { request: site.request + 1, side: Side::Before },
        });
        Some(site)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use bytes::Bytes;

    use super::*;

    fn report(site: CrashSite) -> CrashReport {
        let end = CrashEnd::Completed(ExitStatus::from_raw(0));
        CrashReport { site, end, requests: vec![], stdout: vec![], stderr: vec![] }
    }

    #[test]
    fn what_was_held_before_the_engine_is_not_on_its_way() {
        let request = |number, answered| {
            let (method, target) = ("GET".to_owned(), "/".to_owned());
            let request = WireRequest { number, method, target, head: Bytes::new() };
            RecordedRequest { request, body: Bytes::new(), answered }
        };
        let requests = vec![request(0, true), request(1, false), request(2, false)];
        let unanswered = |side| {
            let report = report(CrashSite { request: 2, side });
            let report = CrashReport { requests: requests.clone(), ..report };
            report.unanswered().map(|one| one.request.number).collect::<Vec<_>>()
        };
        assert_eq!(unanswered(Side::Before), [1]);
        assert_eq!(unanswered(Side::After), [1, 2]);
    }

    #[test]
    fn sites_go_on_until_a_program_ends_before_a_request() {
        let mut sites = Crash::new("/x").sites();
        let mut seen = Vec::new();
        while let Some(site) = sites.next() {
            seen.push((site.request, site.side));
            // The reply of the first is not waited for; there is no third.
            if (site.request, site.side) == (0, Side::After) || site.request == 2 {
                sites.ran(&report(site));
            }
        }
        let (before, after) = (Side::Before, Side::After);
        assert_eq!(seen, [(0, before), (0, after), (1, before), (1, after), (2, before)]);
    }
}
