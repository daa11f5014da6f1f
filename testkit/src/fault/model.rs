//! Which call a fault meets, and what it does there. Pure.

use std::time::Duration;

use docker_api_trait::{ApiError, ConnectFailure, Operation};

/// On which side of a call's effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The call has no effect.
    Before,
    /// The call has had its effect, and its reply is what is lost.
    After,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Before, Self::After];
}

/// Which calls are meant. Numbers begin with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Site {
    /// The call of this number among all.
    Nth(usize),
    /// Every call from this number on.
    From(usize),
    /// The call of this number among those of one operation.
    NthOf(Operation, usize),
    /// So many calls of an operation, from its first on.
    FirstOf(Operation, usize),
    /// Every call of an operation.
    EveryOf(Operation),
}

impl Site {
    pub(super) fn meets(self, call: Call) -> bool {
        match self {
            Self::Nth(number) => call.number == number,
            Self::From(number) => call.number >= number,
            Self::NthOf(operation, nth) => call.operation == operation && call.nth == nth,
            Self::FirstOf(operation, count) => call.operation == operation && call.nth < count,
            Self::EveryOf(operation) => call.operation == operation,
        }
    }
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The engine answers with this status.
    Status(u16),
    /// The connection ends without a reply.
    Lost,
    /// No connection comes about. Only before an effect.
    Unreachable,
    /// No reply came in time.
    TimedOut,
    /// The reply makes no sense.
    Garbage,
    /// It takes so much longer, and then goes on.
    Delay(Duration),
    /// It never comes to anything.
    Hang,
    /// Of a stream, an attachment's output or a wait: it breaks off after so many pieces, with
    /// [`ApiError::Lost`]. After the effect only; elsewhere it is [`Lost`](Self::Lost).
    Cut(usize),
    /// As [`Cut`](Self::Cut), but it ends as if that were all: what an engine's death looks like. A
    /// wait has no such end; it breaks off.
    End(usize),
    /// As [`Cut`](Self::Cut), but nothing more comes for ever; elsewhere it is [`Hang`](Self::Hang).
    Stall(usize),
    /// Of an attachment's input: it takes so many bytes, and then its connection is
    /// [`Lost`](ApiError::Lost). After the effect only; elsewhere it is [`Lost`](Self::Lost).
    CutInput(usize),
    /// As [`CutInput`](Self::CutInput), but a write beyond the last byte never ends; elsewhere it is
    /// [`Hang`](Self::Hang).
    StallInput(usize),
}

impl FaultKind {
    /// The error of a call, when it is one.
    pub(super) fn error(self, operation: Operation) -> Option<ApiError> {
        Some(match self {
            Self::Status(status) => {
                ApiError::from_status(operation, status, "a fault that was put in")
            }
            Self::Lost | Self::Cut(_) | Self::End(_) | Self::CutInput(_) => lost(operation),
            Self::Unreachable => ApiError::Unreachable {
                endpoint: "faulty".to_owned(),
                failure: ConnectFailure::Refused,
                source: "a fault that was put in".into(),
            },
            Self::TimedOut => ApiError::TimedOut { operation, limit: Duration::from_secs(10) },
            Self::Garbage => {
                ApiError::Protocol { operation, detail: "a fault that was put in".to_owned() }
            }
            Self::Delay(_) | Self::Hang | Self::Stall(_) | Self::StallInput(_) => return None,
        })
    }

    /// Whether it is one of what a reply hands out, not of the reply.
    pub(super) fn is_of_stream(self) -> bool {
        matches!(self, Self::Cut(_) | Self::End(_) | Self::Stall(_)) || self.is_of_input()
    }

    /// Whether it is one of an attachment's input.
    pub(super) fn is_of_input(self) -> bool {
        matches!(self, Self::CutInput(_) | Self::StallInput(_))
    }

    /// Whether nothing comes of the call for ever, when its reply hands nothing out.
    pub(super) fn never_ends(self) -> bool {
        matches!(self, Self::Hang | Self::Stall(_) | Self::StallInput(_))
    }
}

pub(super) fn lost(operation: Operation) -> ApiError {
    ApiError::Lost { operation, source: "a fault that was put in".into() }
}

/// A fault at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Where.
    pub site: Site,
    /// On which side of the effect.
    pub side: Side,
    /// What.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault before the call's effect.
    pub fn before(site: Site, kind: FaultKind) -> Self {
        Self { site, side: Side::Before, kind }
    }

    /// A fault after the call's effect.
    pub fn after(site: Site, kind: FaultKind) -> Self {
        Self { site, side: Side::After, kind }
    }
}

/// A call that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// Its number among all.
    pub number: usize,
    /// Its operation.
    pub operation: Operation,
    /// Its number among those of the operation.
    pub nth: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_meets_the_calls_that_it_says() {
        let call = Call { number: 5, operation: Operation::Version, nth: 2 };
        let (ours, other) = (Operation::Version, Operation::Info);
        for (site, meets) in [
            (Site::Nth(5), true),
            (Site::Nth(4), false),
            (Site::From(5), true),
            (Site::From(6), false),
            (Site::NthOf(ours, 2), true),
            (Site::NthOf(ours, 5), false),
            (Site::NthOf(other, 2), false),
            (Site::FirstOf(ours, 3), true),
            (Site::FirstOf(ours, 2), false),
            (Site::EveryOf(ours), true),
            (Site::EveryOf(other), false),
        ] {
            assert_eq!(site.meets(call), meets, "{site:?}");
        }
    }
}
