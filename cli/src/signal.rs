//! The signals that stop a job.

use std::{convert::Infallible, fs, future, io, ops::RangeInclusive, task::Poll};

use executor::Cancel;
use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{stage::Stage, teller::say};

/// Every signal that ends a program by default, can be caught and is not about a fault of the program
/// itself.
const STOPPING: [Number; 13] = [
    Number::INT,
    Number::TERM,
    Number::HUP,
    Number::QUIT,
    Number::USR1,
    Number::USR2,
    Number::ALARM,
    Number::VTALARM,
    Number::PROF,
    Number::IO,
    Number::POWER,
    Number::STKFLT,
    Number::XCPU,
];

/// The real-time signals, which end a program as well.
const REAL_TIME: RangeInclusive<i32> = 34..=64;

/// Stops the job at the first signal, kills it at the second. Ends only with an error.
pub(crate) async fn obey(cancel: &Cancel, stage: &Stage, quiet: bool) -> io::Result<Infallible> {
    let mut signals = stopping()?;
    loop {
        received(&mut signals).await;
        // Said here, not when the job comes to it: whoever asks sees that it was heard.
        let words = if !cancel.is_stopped() {
            cancel.stop();
            if stage.is_after_script() {
                "waiting for the after-script to end; once more to kill it"
            } else {
                "asked the job to stop; once more to kill it"
            }
        } else if !cancel.is_killed() {
            cancel.kill();
            "killing the job"
        } else {
            continue;
        };
        if !quiet {
            say(&format!("berth: {words}"));
        }
    }
}

/// The signals that we listen to. What whoever started us has set to be ignored stays ignored: `nohup`
/// does that, and a shell with what runs in its background.
fn stopping() -> io::Result<Vec<Signal>> {
    let ignored = fs::read_to_string("/proc/self/status").map_or(0, |status| ignored(&status));
    let is_kept = |kind: &SignalKind| is_in(ignored, *kind);
    // A write beyond the limit on a file's size then fails, and is reported as that.
    let too_large = SignalKind::from_raw(Number::XFSZ.as_raw());
    if !is_kept(&too_large) {
        drop(signal(too_large)?);
    }
    let kinds = STOPPING.map(|number| SignalKind::from_raw(number.as_raw()));
    let mut signals = kinds
        .into_iter()
        .filter(|kind| !is_kept(kind))
        .map(signal)
        .collect::<io::Result<Vec<_>>>()?;
    let others = REAL_TIME.map(SignalKind::from_raw).filter(|kind| !is_kept(kind));
    // A C library keeps some of these for itself.
    signals.extend(others.filter_map(|kind| signal(kind).ok()));
    Ok(signals)
}

/// The mask of ignored signals that the kernel tells of a process.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(mask: u64, kind: SignalKind) -> bool {
    let bit = kind.as_raw_value() - 1;
    u32::try_from(bit).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

/// Returns when one of the signals has come.
async fn received(signals: &mut [Signal]) {
    future::poll_fn(|context| {
        let ready = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_kernels_mask() {
        let mask = ignored("Name:\tberth\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001005\n");
        assert_eq!(mask, 0x1005);
        assert!(is_in(mask, SignalKind::hangup()));
        assert!(is_in(mask, SignalKind::quit()));
        assert!(!is_in(mask, SignalKind::interrupt()));
        assert!(!is_in(mask, SignalKind::terminate()));
        assert_eq!(ignored("Name:\tberth\n"), 0);
        assert_eq!(ignored("SigIgn:\tzz\n"), 0);
    }
}
