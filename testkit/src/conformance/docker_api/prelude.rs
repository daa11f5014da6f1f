//! What the cases use.

pub(super) use std::time::{Duration, SystemTime};

pub(super) use bytes::Bytes;
pub(super) use docker_api_trait::{
    ApiError, Consistency, ContainerId, ContainerRequest, ImageReference, LabelFilter, LogDriver,
    LogOptions, LogSource, LogStream, Mount, MountSource, Propagation, Relabel, Signal, VolumeName,
    VolumeRequest, WaitCondition,
};
pub(super) use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
pub(super) use tokio::time::timeout;

pub(super) use super::{
    case::{Case, behaviours},
    seen::{GRACE, LONG, NEVER, Seen, done, note, read, read_open, seen},
    subject::{Program, Subject},
};
pub(super) use crate::ScriptedRun;
