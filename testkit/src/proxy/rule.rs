//! Which requests a fault meets, and what it does on the wire. Pure.

use std::time::Duration;

use super::{Reply, WireRequest};
use crate::Side;

/// Which of the requests that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Every,
    Nth(usize),
    First(usize),
    From(usize),
}

/// Which requests a rule is about. Numbers begin with 0 and count those that match the rule's
/// method and path, from the moment in which it was put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    method: Option<String>,
    path: Option<Vec<String>>,
    count: Count,
}

impl Requests {
    /// Every request.
    pub fn any() -> Self {
        Self { method: None, path: None, count: Count::Every }
    }

    /// Every request of this method whose path fits the pattern: as
    /// [`WireRequest::path`](WireRequest::path), where `*` stands for one part and a `**` at the
    /// end for any number of parts.
    pub fn to(method: &str, pattern: &str) -> Self {
        let path = pattern.trim_start_matches('/').split('/').map(str::to_owned).collect();
        Self { method: Some(method.to_owned()), path: Some(path), count: Count::Every }
    }

    /// Only the one of this number.
    pub fn nth(self, number: usize) -> Self {
        Self { count: Count::Nth(number), ..self }
    }

    /// Only the first so many.
    pub fn first(self, count: usize) -> Self {
        Self { count: Count::First(count), ..self }
    }

    /// Only those from this number on.
    pub fn from(self, number: usize) -> Self {
        Self { count: Count::From(number), ..self }
    }

    /// Whether the request is of the kind, whatever its number.
    pub(super) fn fit(&self, request: &WireRequest) -> bool {
        let method = self.method.as_ref().is_none_or(|method| *method == request.method);
        method && self.path.as_ref().is_none_or(|pattern| fits(pattern, request.path()))
    }

    /// Whether the request that fits as the `number`th is meant.
    pub(super) fn count(&self, number: usize) -> bool {
        match self.count {
            Count::Every => true,
            Count::Nth(nth) => number == nth,
            Count::First(count) => number < count,
            Count::From(first) => number >= first,
        }
    }
}

fn fits(pattern: &[String], path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    for wanted in pattern {
        match (wanted.as_str(), parts.next()) {
            ("**", _) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

/// What happens to a request, or to its reply.
///
/// On [`Side::Before`] it happens to the request, before the engine has it; on [`Side::After`] to
/// the reply, once its head has come from the engine: for all calls but the pull and the upload,
/// the effect is complete then.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WireFault {
    /// It takes so much longer, and then goes on.
    Delay(Duration),
    /// The connection ends: before, without the engine being asked; after, without a reply.
    Drop,
    /// Nothing more comes for ever: the engine is not asked, or the reply's head is kept back. The
    /// connection stays open until the client ends it.
    Stall,
    /// This reply instead: before, without the engine being asked; after, in the place of its
    /// reply. The connection ends after it.
    Reply(Reply),
    /// The body breaks off after so many bytes, as they are on the wire, after the whole head: before,
    /// that of the request; after, that of the reply, or what comes out of an attachment.
    CutBody(usize),
    /// As [`CutBody`](Self::CutBody), but nothing more comes for ever.
    StallBody(usize),
    /// Head and body go on byte by byte, with a pause before each. Of an attachment, this is one
    /// direction: before, what goes in; after, what comes out. The reader may still find several
    /// bytes at once when there is no pause.
    Trickle(Duration),
}

/// A fault, where, and on which side.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where.
    pub requests: Requests,
    /// On which side of the effect.
    pub side: Side,
    /// What.
    pub fault: WireFault,
}

impl Rule {
    /// A fault before the engine has the request.
    pub fn before(requests: Requests, fault: WireFault) -> Self {
        Self { requests, side: Side::Before, fault }
    }

    /// A fault after the engine has begun to answer.
    pub fn after(requests: Requests, fault: WireFault) -> Self {
        Self { requests, side: Side::After, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str) -> WireRequest {
        let (method, target) = (method.to_owned(), target.to_owned());
        WireRequest { number: 0, method, target, head: bytes::Bytes::new() }
    }

    #[test]
    fn a_pattern_fits_part_by_part() {
        let start = request("POST", "/v1.41/containers/abc/start?x=/y");
        for (pattern, fit) in [
            ("/containers/*/start", true),
            ("/containers/abc/start", true),
            ("/containers/*", false),
            ("/containers/*/start/*", false),
            ("/containers/**", true),
            ("/**", true),
            ("/containers/*/stop", false),
            ("/containers/a*/start", false),
        ] {
            assert_eq!(Requests::to("POST", pattern).fit(&start), fit, "{pattern}");
        }
        assert!(!Requests::to("GET", "/**").fit(&start));
        assert!(Requests::any().fit(&start));
    }

    #[test]
    fn a_count_says_which_of_those_that_fit() {
        let met = |requests: Requests| (0..5).filter(|n| requests.count(*n)).collect::<Vec<_>>();
        assert_eq!(met(Requests::any()), [0, 1, 2, 3, 4]);
        assert_eq!(met(Requests::any().nth(2)), [2]);
        assert_eq!(met(Requests::any().first(2)), [0, 1]);
        assert_eq!(met(Requests::any().from(3)), [3, 4]);
    }
}
