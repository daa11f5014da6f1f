//! How patient a handle is.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// How often, and for how long, what failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How often a request is sent again that the engine answered with a failure of its own (429,
    /// 500, 502, 503, 504) or with nonsense. Default: 3.
    pub retries: usize,
    /// The wait before the first of them; each is twice the one before, and up to as much again by
    /// chance, so that many jobs do not all come back at once. Default: 100 ms.
    pub first: Duration,
    /// How long an engine that answered before may be away. Default: 60 s, which covers a restart:
    /// Engine 20.10 took 13.6 s for one with a running container.
    pub outage: Duration,
    /// How many requests may be waiting for their reply at once; further ones queue. Default: 64.
    pub in_flight: usize,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 3,
            first: Duration::from_millis(100),
            outage: Duration::from_mins(1),
            in_flight: 64,
        }
    }
}

impl RetryPolicy {
    /// The policy with another patience for an engine that is away; none gives up at once.
    pub fn with_outage(mut self, outage: Duration) -> Self {
        self.outage = outage;
        self
    }

    /// The policy with so many retries of a request.
    pub fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// The policy with another wait before the first retry.
    pub fn with_first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// The policy with another number of requests at once, at least one.
    pub fn with_in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = in_flight.max(1);
        self
    }

    /// The waits between the tries of one request.
    pub(super) fn delays(&self) -> ExponentialBackoff {
        self.builder().with_max_times(self.retries).build()
    }

    /// The waits between looks whether the engine is back: two seconds and what chance adds at the
    /// most, and never more than five looks a second.
    pub(super) fn looks(&self) -> ExponentialBackoff {
        self.builder()
            .with_min_delay(self.first.max(Duration::from_millis(200)))
            .with_max_delay(Duration::from_secs(2))
            .without_max_times()
            .build()
    }

    fn builder(&self) -> ExponentialBuilder {
        ExponentialBuilder::default().with_min_delay(self.first).with_jitter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_bounded_and_grow() {
        let delays: Vec<_> = RetryPolicy::default().delays().collect();
        assert_eq!(delays.len(), 3);
        for (delay, base) in delays.iter().zip([100, 200, 400]) {
            let base = Duration::from_millis(base);
            assert!(*delay >= base && *delay <= 2 * base, "{delays:?}");
        }
    }

    #[test]
    fn an_engine_that_is_away_is_asked_at_most_five_times_a_second() {
        let looks = RetryPolicy::default().with_first(Duration::ZERO).looks();
        assert!(looks.take(100).all(|look| look >= Duration::from_millis(200)));
    }
}
