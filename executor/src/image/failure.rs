//! What a failed pull says about trying again.
//!
//! Engines hand on the registry's and the network's words in a text; there is nothing else to go by.
//! The groups are GitLab Runner's, with what registries say when they are busy.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use docker_api_trait::ApiError;

/// Why a pull failed, as far as its error tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PullFault {
    /// The registry does not have the image, or not for this user: the job or the configuration is
    /// wrong, and another try would end alike.
    Refused,
    /// The network, or a registry that is busy or broken: another try may do.
    Transient,
    /// Anything else; it is not tried again.
    Other,
}

/// Words with which the network or a busy registry is at fault. They are looked for first: the texts
/// quote the image's name, which may be `denied`, and most of these have a space or slash in them.
const TRANSIENT: &[&str] = &[
    "dial tcp",
    "connection refused",
    "connection reset",
    "no such host",
    "server misbehaving",
    "i/o timeout",
    "tls handshake timeout",
    "client.timeout exceeded",
    "request canceled",
    "unexpected eof",
    "toomanyrequests",
    "too many requests",
    "internal server error",
    "bad gateway",
    "service unavailable",
    "gateway timeout",
    "gateway time-out",
];

/// What comes before a status that a registry answered.
const STATUS: &[&str] = &["http status: ", "status code: ", "status code ", "parsing http "];

const REFUSED: &[&str] = &[
    "not found",
    "manifest unknown",
    "name unknown",
    "no matching manifest",
    "repository does not exist",
    "access denied",
    "access to the resource is denied",
    "unauthorized",
    "authentication required",
    "no basic auth",
    "incorrect username or password",
    "403 forbidden",
    "denied:",
    "invalid reference format",
    "must be lowercase",
];

impl PullFault {
    /// Reads the engine's words. Pure.
    pub fn of_words(words: &str) -> Self {
        let words = words.to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
        if says(TRANSIENT) || status(&words).is_some_and(|status| status == 429 || status >= 500) {
            Self::Transient
        } else if says(REFUSED) || matches!(status(&words), Some(401 | 403 | 404)) {
            Self::Refused
        } else {
            Self::Other
        }
    }

    /// Reads an error of a pull. That the engine itself could not be reached, or did not answer, is
    /// [`PullFault::Other`]: it is not the registry's matter.
    pub fn of(error: &ApiError) -> Self {
        match error {
            ApiError::NotFound { message, .. } => match Self::of_words(message) {
                Self::Other => Self::Refused,
                told => told,
            },
            ApiError::Conflict { message, .. }
            | ApiError::Rejected { message, .. }
            | ApiError::Engine { message, .. }
            | ApiError::Reported { message, .. } => Self::of_words(message),
            _ => Self::Other,
        }
    }
}

/// The first status that the text names as such.
fn status(words: &str) -> Option<u16> {
    STATUS.iter().find_map(|before| {
        let (_, rest) = words.split_once(before)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok().filter(|status| (400..600).contains(status))
    })
}

/// Pulls, and after a transient fault again: up to three more times, each after a wait with a random
/// part, of 2–4, 4–8 and 5–10 s, so that jobs which failed together do not come back together. `told`
/// hears of each fault and of the wait that follows.
///
/// Dropping it ends it, in a pull or a wait.
///
/// # Errors
/// That of the last try.
pub(crate) async fn retry_pull<T, E, F>(
    pull: impl FnMut() -> F,
    fault: impl Fn(&E) -> PullFault,
    told: impl FnMut(&E, Duration),
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    // The random part is up to once more the wait.
    let waits = ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(2))
        .with_factor(2.0)
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(3)
        .with_jitter();
    pull.retry(waits)
        .sleep(tokio::time::sleep)
        .when(move |error| fault(error) == PullFault::Transient)
        .notify(told)
        .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use docker_api_trait::Operation;
    use tokio::time::Instant;

    use super::*;

    const TABLE: &[(&str, PullFault)] = &[
        ("manifest for ruby:9 not found: manifest unknown: manifest unknown", PullFault::Refused),
        (
            "pull access denied for x, repository does not exist or may require 'docker login': \
             denied: requested access to the resource is denied",
            PullFault::Refused,
        ),
        (
            "Head \"https://a.b/v2/c/manifests/1\": unauthorized: HTTP Basic: Access denied",
            PullFault::Refused,
        ),
        ("Get \"https://a.b/v2/\": no basic auth credentials", PullFault::Refused),
        ("unauthorized: authentication required", PullFault::Refused),
        ("unauthorized: incorrect username or password", PullFault::Refused),
        (
            "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
            PullFault::Refused,
        ),
        (
            "unexpected status from HEAD request to https://a.b/v2/c/manifests/1: 403 Forbidden",
            PullFault::Refused,
        ),
        ("received unexpected HTTP status: 403 Forbidden", PullFault::Refused),
        ("unexpected status code 404", PullFault::Refused),
        ("name unknown: repository name not known to registry", PullFault::Refused),
        (
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            PullFault::Refused,
        ),
        ("invalid reference format: repository name must be lowercase", PullFault::Refused),
        ("denied: installation not allowed to Read organization package", PullFault::Refused),
        (
            "Get \"https://a.b/v2/\": dial tcp 10.0.0.1:443: connect: connection refused",
            PullFault::Transient,
        ),
        ("dial tcp: lookup a.b on 127.0.0.53:53: no such host", PullFault::Transient),
        ("dial tcp: lookup a.b: server misbehaving", PullFault::Transient),
        ("dial tcp 10.0.0.1:443: i/o timeout", PullFault::Transient),
        ("dial tcp 10.0.0.1:443: connect: network is unreachable", PullFault::Transient),
        ("read tcp 10.0.0.2:5->10.0.0.1:443: read: connection reset by peer", PullFault::Transient),
        ("Get \"https://a.b/v2/\": net/http: TLS handshake timeout", PullFault::Transient),
        (
            "Get \"https://a.b/v2/\": net/http: request canceled while waiting for connection \
             (Client.Timeout exceeded while awaiting headers)",
            PullFault::Transient,
        ),
        (
            "Get \"https://a.b/v2/\": context deadline exceeded (Client.Timeout exceeded)",
            PullFault::Transient,
        ),
        ("unexpected EOF", PullFault::Transient),
        ("toomanyrequests: You have reached your pull rate limit.", PullFault::Transient),
        (
            "You have reached your unauthenticated pull rate limit. toomanyrequests",
            PullFault::Transient,
        ),
        ("error parsing HTTP 429 response body: invalid character", PullFault::Transient),
        ("unexpected status: 429 Too Many Requests", PullFault::Transient),
        ("received unexpected HTTP status: 500 Internal Server Error", PullFault::Transient),
        ("received unexpected HTTP status: 502 Bad Gateway", PullFault::Transient),
        ("received unexpected HTTP status: 503 Service Unavailable", PullFault::Transient),
        ("received unexpected HTTP status: 504 Gateway Time-out", PullFault::Transient),
        ("received unexpected HTTP status: 520", PullFault::Transient),
        ("unexpected status code 599", PullFault::Transient),
        ("write /var/lib/docker/tmp/x: no space left on device", PullFault::Other),
        ("x509: certificate signed by unknown authority", PullFault::Other),
        ("failed to register layer: exit status 1", PullFault::Other),
        ("filesystem layer verification failed for digest sha256:500", PullFault::Other),
        ("http: server gave HTTP response to HTTPS client", PullFault::Other),
        ("unexpected status code 999", PullFault::Other),
        ("", PullFault::Other),
    ];

    #[test]
    fn the_words_tell_whose_fault_it_is() {
        for (words, fault) in TABLE {
            assert_eq!(PullFault::of_words(words), *fault, "{words}");
        }
    }

    #[test]
    fn a_fault_of_the_network_is_transient_whatever_the_image_is_called() {
        let words = "Get \"https://a.b/v2/unauthorized/denied:1\": dial tcp: i/o timeout";
        assert_eq!(PullFault::of_words(words), PullFault::Transient);
    }

    #[test]
    fn the_errors_kind_counts_where_the_words_say_nothing() {
        let error = |status| ApiError::from_status(Operation::PullImage, status, "hm");
        assert_eq!(PullFault::of(&error(404)), PullFault::Refused);
        assert_eq!(PullFault::of(&error(500)), PullFault::Other);
        let timeout =
            ApiError::TimedOut { operation: Operation::PullImage, limit: Duration::from_secs(1) };
        assert_eq!(PullFault::of(&timeout), PullFault::Other);
        let message = "received unexpected HTTP status: 502 Bad Gateway".to_owned();
        let reported = ApiError::Reported { operation: Operation::PullImage, message };
        assert_eq!(PullFault::of(&reported), PullFault::Transient);
    }

    /// How often it was pulled, how long it took, and which waits were told of.
    async fn tries(fault: PullFault, succeeds_at: u32) -> (u32, Duration, Vec<Duration>, bool) {
        let (count, mut waits, began) = (Cell::new(0), Vec::new(), Instant::now());
        let result = retry_pull(
            || {
                count.set(count.get() + 1);
                std::future::ready(if count.get() == succeeds_at { Ok(()) } else { Err(fault) })
            },
            |fault| *fault,
            |_, wait| waits.push(wait),
        )
        .await;
        (count.get(), began.elapsed(), waits, result.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_fault_is_tried_three_more_times() {
        let mut firsts = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let (count, elapsed, waits, succeeded) = tries(PullFault::Transient, 0).await;
            assert_eq!((count, waits.len(), succeeded), (4, 3, false));
            for (wait, (least, most)) in waits.iter().zip([(2, 4), (4, 8), (5, 10)]) {
                assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(wait));
            }
            assert!(elapsed >= waits.iter().sum());
            firsts.insert(waits[0]);
        }
        assert!(firsts.len() > 10, "jobs would come back together: {firsts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_succeeds_is_the_last() {
        let (count, _, waits, succeeded) = tries(PullFault::Transient, 2).await;
        assert_eq!((count, waits.len(), succeeded), (2, 1, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_try_cannot_mend_is_tried_once() {
        for fault in [PullFault::Refused, PullFault::Other] {
            let (count, elapsed, _, succeeded) = tries(fault, 0).await;
            assert_eq!((count, elapsed, succeeded), (1, Duration::ZERO, false));
        }
    }
}
