//! Which job meets which fault: drawn from a seed, so that a run can be had again. Pure.

use std::time::Duration;

use testkit::{Fault, FaultKind, Side, Site};

/// `SplitMix64` (Steele, Lea and Flood 2014): a seed gives the same numbers on every machine and in
/// every version of this program, which a library's generator does not promise.
pub(super) struct Dice(u64);

/// What befalls a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Calm,
    /// A fault on the way to the engine.
    Fault(Fault),
    /// It is asked to stop after so long.
    Cancelled(Duration),
    /// Its process dies after so long: nobody cleans up.
    Killed(Duration),
    /// Its sink takes nothing, and it is stopped.
    Stalled,
    /// Somebody removes its containers after so long.
    Vanished(Duration),
}

impl Dice {
    /// The dice of one job.
    pub(super) fn of(seed: u64, job: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ job.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `sides`.
    fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides
    }

    /// What befalls the job, with this chance in percent that it is anything.
    pub(super) fn fate(&mut self, percent: u8) -> Fate {
        if self.below(100) >= u64::from(percent) {
            return Fate::Calm;
        }
        let soon = Duration::from_millis(self.below(700));
        match self.below(10) {
            0 => Fate::Cancelled(soon),
            1 | 2 => Fate::Killed(soon),
            3 => Fate::Stalled,
            4 => Fate::Vanished(soon),
            _ => Fate::Fault(self.fault()),
        }
    }

    fn fault(&mut self) -> Fault {
        // A warm job with a cache sends about ten requests.
        let nth = usize::try_from(self.below(12)).unwrap_or_default();
        let side = Side::BOTH[usize::try_from(self.below(2)).unwrap_or_default()];
        let kind = match self.below(8) {
            0 => FaultKind::Status(500),
            1 => FaultKind::Status(503),
            2 => FaultKind::Lost,
            3 => FaultKind::Garbage,
            4 => FaultKind::Delay(Duration::from_millis(300)),
            5 => FaultKind::Cut(0),
            6 => FaultKind::End(0),
            _ => FaultKind::TimedOut,
        };
        Fault { site: Site::Nth(nth), side, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_it_all() {
        let fates = |seed| (0..200).map(|job| Dice::of(seed, job).fate(50)).collect::<Vec<_>>();
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
    }

    #[test]
    fn about_as_many_have_a_fate_as_was_asked_for() {
        let count = |percent| {
            (0..10_000).filter(|job| Dice::of(1, *job).fate(percent) != Fate::Calm).count()
        };
        assert_eq!(count(0), 0);
        assert_eq!(count(100), 10_000);
        assert!((400..600).contains(&count(5)), "{}", count(5));
    }

    #[test]
    fn every_fate_comes_up() {
        let fates: Vec<_> = (0..1000).map(|job| Dice::of(3, job).fate(100)).collect();
        let some = |is: fn(&Fate) -> bool| assert!(fates.iter().any(is));
        some(|fate| matches!(fate, Fate::Cancelled(_)));
        some(|fate| matches!(fate, Fate::Killed(_)));
        some(|fate| matches!(fate, Fate::Stalled));
        some(|fate| matches!(fate, Fate::Vanished(_)));
        some(|fate| matches!(fate, Fate::Fault(_)));
    }
}
