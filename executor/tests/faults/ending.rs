//! How a fault at a request may end a job: in which phase, and with which error.

use docker_api_trait::{ApiError, Operation};
use executor::{
    FailureReason, JobOutcome, JobResult, RetryPolicy,
    error::{PrepareError, RunError, StepError},
    outcome::{Phase, TimedPart},
};
use testkit::{Call, Fault, FaultKind, Side, Site};
use volume_manager::VolumeError;

/// What a request is for decides how its failure ends the job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    fault: Fault,
    operation: Operation,
    /// None: whatever becomes of it, the job ends as without a fault.
    phase: Option<Phase>,
    /// Whether the job does without it, unless it hangs.
    is_offer: bool,
    /// Whether it is an attachment that was made, and is made once more.
    closes_input: bool,
}

impl Ending {
    /// Of a job with so many containers whose steps run in a shell; without any, each step is a program
    /// with a container of its own.
    pub(crate) fn by(fault: Fault, call: Call, shells: usize) -> Self {
        let operation = call.operation;
        let is_once_more = fault.side == Side::After
            && fault.site != Site::EveryOf(operation)
            && matches!(fault.kind, FaultKind::Status(429 | 503));
        let closes_input = takes_input(call, shells) && is_once_more;
        let of_a_later_program = shells == 0 && call.nth > 0;
        let phase = match operation {
            Operation::Version | Operation::Info => Some(Phase::Connect),
            // The shell reads the end of an input that was taken over.
            _ if closes_input => Some(Phase::Script),
            Operation::CreateContainer | Operation::AttachContainer | Operation::WaitContainer
                if of_a_later_program =>
            {
                Some(Phase::Script)
            }
            Operation::CreateVolume
            | Operation::InspectVolume
            | Operation::CreateNetwork
            | Operation::CreateContainer
            | Operation::AttachContainer
            | Operation::WaitContainer
            | Operation::InspectPath
            | Operation::DownloadArchive
            | Operation::UploadArchive => Some(Phase::Prepare),
            Operation::StartContainer if shells > 0 => Some(Phase::Start),
            Operation::StartContainer => Some(Phase::Script),
            // Whether a service is ready has a time limit of its own, and so has cleanup.
            Operation::InspectContainer
            | Operation::InspectImage
            | Operation::RemoveContainer
            | Operation::RemoveNetwork
            | Operation::RemoveVolume => None,
            other => panic!("a job makes no request to {other}"),
        };
        Self { fault, operation, phase, is_offer: is_offer(operation), closes_input }
    }

    /// Checks the outcome of a job that did not end as without the fault.
    pub(crate) fn check(self, what: &str, result: &JobResult) {
        assert_eq!(Some(result.phase), self.phase, "{what}: {:?}", result.outcome);
        let JobOutcome::Failed(reason) = &result.outcome else { panic!("{what}: {result:?}") };
        match reason {
            FailureReason::System { error } if !self.is_offer => {
                assert!(error.is_retryable() && reason.is_retryable(), "{what}: {error:?}");
                if self.closes_input {
                    assert!(
                        matches!(**error, RunError::Step(StepError::ContainerLost { .. })),
                        "{what}: {error:?}"
                    );
                } else {
                    assert!(self.is_shown_by(self.cause(what, error)), "{what}: {error:?}");
                }
            }
            // What hangs for ever is ended by the job's own limit.
            FailureReason::Timeout { what: TimedPart::Job, .. }
                if self.fault.kind == FaultKind::Hang =>
            {
                assert!(!reason.is_retryable(), "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }

    /// The engine's part of an error, which has to be one of this request.
    fn cause<'a>(self, what: &str, error: &'a RunError) -> &'a ApiError {
        match (self.operation, error) {
            (
                Operation::CreateVolume | Operation::InspectVolume,
                RunError::Prepare(PrepareError::Volumes(VolumeError::Engine { source, .. })),
            )
            | (Operation::CreateNetwork, RunError::Prepare(PrepareError::Network { source })) => {
                source
            }
            (operation, RunError::Prepare(PrepareError::Engine(error)))
                if !matches!(
                    operation,
                    Operation::CreateVolume | Operation::InspectVolume | Operation::CreateNetwork
                ) =>
            {
                error
            }
            (operation, error) => panic!("{what}: {operation:?} ended with {error:?}"),
        }
    }

    /// Whether this is how the fault shows above a handle that repeats requests.
    fn is_shown_by(self, error: &ApiError) -> bool {
        // Whether an engine that is away is back, it is asked for its identity.
        let error = match error {
            ApiError::Gone { operation: Operation::Info, after, source }
                if self.fault.site == Site::EveryOf(Operation::Info)
                    && *after == RetryPolicy::default().outage =>
            {
                &**source
            }
            error => error,
        };
        match self.fault.kind {
            FaultKind::Status(expected) => {
                matches!(error, ApiError::Engine { status, .. } if *status == expected)
            }
            FaultKind::Lost => matches!(error, ApiError::Lost { .. }),
            FaultKind::Unreachable => matches!(error, ApiError::Unreachable { .. }),
            FaultKind::TimedOut => matches!(error, ApiError::TimedOut { .. }),
            FaultKind::Garbage => matches!(error, ApiError::Protocol { .. }),
            _ => false,
        }
    }
}

/// Whether a job gets over this fault when it comes once.
pub(crate) fn is_survived(call: Call, side: Side, kind: FaultKind, shells: usize) -> bool {
    let is_of_a_service = shells > 0 && call.nth >= shells;
    match (call.operation, kind) {
        (_, FaultKind::Delay(_))
        | (
            Operation::InspectContainer
            | Operation::InspectImage
            | Operation::RemoveContainer
            | Operation::RemoveNetwork
            | Operation::RemoveVolume,
            _,
        ) => true,
        (_, FaultKind::Hang) => false,
        // A service that cannot be started is no failure of the job's.
        (Operation::StartContainer, FaultKind::TimedOut) => is_of_a_service,
        (operation, FaultKind::TimedOut) => is_offer(operation),
        // An engine that was never met is not waited for.
        (_, FaultKind::Unreachable) => call.number > 0,
        // An attachment that was made and lost has closed the input; of one that perhaps was nobody
        // can tell.
        (_, FaultKind::Status(429 | 503)) => side == Side::Before || !takes_input(call, shells),
        _ => !takes_input(call, shells),
    }
}

/// The look at a cache's root: what is wrong with it is a warning.
fn is_offer(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::InspectPath | Operation::DownloadArchive | Operation::UploadArchive
    )
}

/// Whether it attaches to the input of a shell. Services, which have none, come after the shells.
fn takes_input(call: Call, shells: usize) -> bool {
    call.operation == Operation::AttachContainer && call.nth < shells
}
