//! What a soak says at its end.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

/// A process opens and closes files of its own: so many more or fewer say nothing.
const DESCRIPTORS: u64 = 2;
/// Memory that grows by so many KiB in 1,000 jobs leaks.
const SLOPE: i64 = 256;
/// Resident memory grows during the first 800 jobs or so, without a leak: a shorter run has no slope to
/// judge.
const ENOUGH_FOR_A_SLOPE: u64 = 2000;

/// The result of a soak.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) jobs: u64,
    /// How many jobs something befell.
    pub(super) faults: u64,
    /// How many jobs ended how.
    pub(super) outcomes: BTreeMap<String, u64>,
    /// What is on the engine after the last sweep and should not be.
    pub(super) leftovers: Vec<String>,
    pub(super) caches_lost: u64,
    pub(super) descriptors_delta: i64,
    /// How fast resident memory grows.
    pub(super) memory_slope_kib_per_1000: i64,
    pub(super) seed: u64,
    pub(super) seconds: f64,
    pub(super) engine: String,
    /// Jobs that ended in a way that what befell them does not explain.
    pub(super) unexplained: Vec<String>,
}

impl Report {
    /// Why the soak has failed, all of it.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut unless = |good: bool, fault: String| {
            if !good {
                faults.push(fault);
            }
        };
        unless(self.leftovers.is_empty(), format!("{} objects are left", self.leftovers.len()));
        unless(self.caches_lost == 0, format!("{} caches are lost", self.caches_lost));
        let unexplained = self.unexplained.len();
        unless(unexplained == 0, format!("{unexplained} jobs are not explained"));
        let delta = self.descriptors_delta;
        let files = format!("{delta:+} files are open, and {DESCRIPTORS} may be");
        unless(delta.unsigned_abs() <= DESCRIPTORS, files);
        let slope = self.memory_slope_kib_per_1000;
        let memory = format!("memory grows by {slope} KiB in 1,000 jobs, and {SLOPE} are too many");
        unless(self.jobs < ENOUGH_FOR_A_SLOPE || slope < SLOPE, memory);
        faults
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "jobs": self.jobs,
            "faults": self.faults,
            "outcomes": self.outcomes,
            "leftovers": self.leftovers.len(),
            "caches_lost": self.caches_lost,
            "descriptors_delta": self.descriptors_delta,
            "memory_slope_kib_per_1000": self.memory_slope_kib_per_1000,
            "seed": self.seed,
            "unexplained": self.unexplained.len(),
            "seconds": self.seconds.round(),
            "engine": self.engine,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { jobs, faults, seed, seconds, engine, .. } = self;
        writeln!(
            formatter,
            "{jobs} jobs in {seconds:.0} s on engine {engine}; something befell {faults} (seed {seed})"
        )?;
        for (outcome, count) in &self.outcomes {
            writeln!(formatter, "  {count:>6} {outcome}")?;
        }
        writeln!(
            formatter,
            "left on the engine: {}; caches lost: {}; descriptors: {:+}; memory: {:+} KiB per 1,000 \
             jobs",
            self.leftovers.len(),
            self.caches_lost,
            self.descriptors_delta,
            self.memory_slope_kib_per_1000
        )?;
        for left in &self.leftovers {
            writeln!(formatter, "  left: {left}")?;
        }
        for one in &self.unexplained {
            writeln!(formatter, "  not explained: {one}")?;
        }
        Ok(())
    }
}

/// The slope of a line through points, by least squares, in units of y for 1,000 of x.
pub(super) fn slope_per_1000(points: &[(u32, u32)]) -> i64 {
    let Ok(count) = u32::try_from(points.len()) else { return 0 };
    if count < 2 {
        return 0;
    }
    let points: Vec<(f64, f64)> =
        points.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).collect();
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / f64::from(count);
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / f64::from(count);
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    #[allow(clippy::cast_possible_truncation, reason = "a slope in kibibytes")]
    let slope = (above / below * 1000.0).round() as i64;
    slope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line_through_the_points() {
        assert_eq!(slope_per_1000(&[(0, 100), (1000, 350), (2000, 600)]), 250);
        assert_eq!(slope_per_1000(&[(0, 5), (10, 5), (20, 5)]), 0);
        assert_eq!(slope_per_1000(&[(0, 5)]), 0);
    }

    #[test]
    fn a_soak_fails_for_each_of_its_reasons() {
        let calm = || Report { jobs: 2000, ..Report::default() };
        assert_eq!(calm().faults(), [""; 0]);
        let faults = [
            Report { leftovers: vec!["berth-x".to_owned()], ..calm() },
            Report { caches_lost: 1, ..calm() },
            Report { unexplained: vec!["Calm: odd".to_owned()], ..calm() },
            Report { descriptors_delta: 3, ..calm() },
            Report { descriptors_delta: -3, ..calm() },
            Report { memory_slope_kib_per_1000: 256, ..calm() },
        ];
        assert_eq!(
            faults.map(|report| report.faults().join("; ")),
            [
                "1 objects are left",
                "1 caches are lost",
                "1 jobs are not explained",
                "+3 files are open, and 2 may be",
                "-3 files are open, and 2 may be",
                "memory grows by 256 KiB in 1,000 jobs, and 256 are too many",
            ]
        );
    }

    #[test]
    fn files_and_memory_have_a_tolerance() {
        for descriptors_delta in [-2, 2] {
            assert_eq!(Report { descriptors_delta, ..Report::default() }.faults(), [""; 0]);
        }
        for (jobs, memory_slope_kib_per_1000) in [(2000, 255), (2000, -9000), (1999, 9000)] {
            let report = Report { jobs, memory_slope_kib_per_1000, ..Report::default() };
            assert_eq!(report.faults(), [""; 0]);
        }
    }

    #[test]
    fn the_object_has_the_keys_that_are_promised() {
        let report = Report::default().json();
        for key in [
            "jobs",
            "faults",
            "outcomes",
            "leftovers",
            "caches_lost",
            "descriptors_delta",
            "memory_slope_kib_per_1000",
            "seed",
        ] {
            assert!(report.get(key).is_some(), "{key}");
        }
    }
}
