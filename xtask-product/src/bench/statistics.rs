//! Of a few timings: the median, and the ends.

use std::time::Duration;

/// What a list of timings says, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Of no timings, all are NaN.
    pub(crate) fn of(timings: &[Duration]) -> Self {
        let mut sorted: Vec<f64> = timings.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Self { median: f64::NAN, min: f64::NAN, max: f64::NAN };
        };
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Self { median, min, max }
    }
}

/// Two places after the point: more would be noise.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// How much of the baseline a value is.
pub(crate) fn ratio(value: f64, baseline: f64) -> f64 {
    rounded(value / baseline)
}

/// What is measured in this round, in an order that changes from one round to the next.
pub(crate) fn turn<T, const N: usize>(mut subjects: [T; N], round: u32) -> [T; N] {
    if let Some(first) = (round as usize).checked_rem(N) {
        subjects.rotate_left(first);
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(timings: &[u64]) -> Summary {
        let timings: Vec<_> = timings.iter().map(|time| Duration::from_millis(*time)).collect();
        Summary::of(&timings)
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(of(&[9, 1, 5]), Summary { median: 5.0, min: 1.0, max: 9.0 });
        assert_eq!(of(&[4, 1, 2, 9]), Summary { median: 3.0, min: 1.0, max: 9.0 });
    }

    #[test]
    fn each_subject_is_the_first_of_a_round_in_its_turn() {
        let firsts = [0, 1, 2, 3].map(|round| turn(["a", "b", "c"], round)[0]);
        assert_eq!(firsts, ["a", "b", "c", "a"]);
        assert_eq!(turn(["a", "b", "c"], 1), ["b", "c", "a"]);
    }

    #[test]
    fn values_are_rounded_to_two_places() {
        assert!((rounded(1.0456) - 1.05).abs() < 1e-9);
    }
}
