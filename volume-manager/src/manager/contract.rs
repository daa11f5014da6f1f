//! The `VolumeManager` trait and its contract.

use std::fmt::Debug;

use async_trait::async_trait;
use docker_api_trait::{ContainerId, MountPoint};

use super::report::{AttachReport, FinishReport, Outcome};
use crate::{
    context::PrepareContext, error::VolumeError, plan::VolumePlan, prepared::PreparedVolumes,
};

/// Makes the volumes of a plan ready, and cleans up after the job. A job calls [`prepare`] once before
/// its containers exist, [`attached`] once one of them does, and [`finish`] at its end.
///
/// # Contract
/// - `prepare` decides which volume each planned cache and temporary volume is, and makes it exist, or
///   fails. It never creates, changes or inspects what the user owns.
/// - `prepare` is idempotent: a shared cache that exists is used again, and is
///   [`Reused`](crate::VolumeState::Reused) unless this very run created it. Of runs that prepare one
///   cache at once, exactly one gets [`Created`](crate::VolumeState::Created).
/// - `prepare` refuses a volume that has the name but not the identity of what was planned, with
///   [`VolumeError::Mismatch`], and does not change it.
/// - `prepare` checks its context before each volume. Once that is cancelled, it asks for nothing
///   more, waits only for requests that are under way, and returns [`VolumeError::Cancelled`].
/// - `prepare` reports [`Ready`](crate::VolumeEvent::Ready) of each volume, in the plan's order, once
///   all are; after a failure it has reported none. Whenever it waits for a volume that is not free,
///   it reports [`Waiting`](crate::VolumeEvent::Waiting) first.
/// - After a failed or dropped `prepare`, shared caches that were created are kept, as they are found
///   again by name. Temporary volumes may exist: give
///   [`PreparedVolumes::unprepared`] to `finish`.
/// - `attached` does all that a volume needs once a container has been created that mounts it. None
///   can vanish from then on, and every volume that it returns [is held](crate::PreparedVolume::is_held).
///   A cache that was `Reused` and is another run's by now, or this run's, is
///   [`Recreated`](crate::VolumeState::Recreated): it vanished after `prepare`. One that has lost its
///   identity is refused as by `prepare`; one that does not exist is [`VolumeError::Vanished`].
///   `attached` inspects only what was `Reused` and not held: nobody counts on the content of another
///   one. On an engine that recreates a volume without the labels of its mount, one without labels is
///   `Recreated`, too.
/// - `attached` lets every user write to the root of each managed volume that is unused, in a
///   container that was created and not started: one that is still as an engine creates it, empty,
///   owned by root and closed to others. It leaves alone what an image has filled, or given another
///   owner or mode, what was used before, what the container may only read, what has a driver or
///   options of its own, and what Berth does not create. That a volume could not be opened is
///   [reported](AttachReport::closed), and is no error.
/// - `attached` can be called again, and by several runs at once: on an engine where an attachment
///   gives volumes an owner and a mode, call it before and after that.
/// - `adopt` finds the volumes of a container that an earlier process prepared, by the container's
///   mounts: caches and temporary volumes by their labels, everything else as the user's. It refuses
///   volumes of other owners, and temporary ones of other runs, with [`VolumeError::Foreign`];
///   one that does not exist any more is [`VolumeError::Vanished`]. It creates nothing. What it finds is
///   held, and is for `finish`: the options of the first mount, except read-only, are not known.
/// - `finish` removes the temporary volumes of the run, whatever the outcome; shared caches, and what
///   the user owns, are kept. It tries each, and reports each that it could not remove. A volume of
///   others that has the name of an unprepared one is left alone.
/// - `finish` reports each cache that `prepare` or `adopt` returned as kept, promoted or discarded, and
///   each temporary volume as removed or failed. Of an unprepared plan it reports no cache that
///   it has not seen.
/// - `finish` can be called again, with the same volumes, also after it was dropped: what was removed
///   already counts as removed, and what was kept, promoted or discarded stays so.
/// - A temporary volume that is in use is retried for a few seconds, then reported with
///   [`VolumeError::InUse`]: it is kept, and found by its labels.
/// - What Berth does not create has no state; every other prepared volume has one.
/// - All methods may be called concurrently, for the same and for different runs.
///
/// Not promised: that a prepared volume still exists when a container is created, for which there is
/// `attached`. The mounts carry its labels and driver, so that an engine recreates it as ours. With the
/// options `Z` and `O`, and `z` with another driver than `local`, it would be recreated without labels:
/// only a bind string can express those.
///
/// No method has a default, so that a manager that wraps another cannot lose a check.
///
/// [`prepare`]: VolumeManager::prepare
/// [`attached`]: VolumeManager::attached
/// [`finish`]: VolumeManager::finish
#[async_trait]
pub trait VolumeManager: Debug + Send + Sync {
    /// Makes the volumes of `plan` exist, and says which existed before.
    ///
    /// # Errors
    /// [`VolumeError`], of the first volume in the plan's order that is not ready.
    async fn prepare(
        &self,
        plan: &VolumePlan,
        context: &PrepareContext<'_>,
    ) -> Result<PreparedVolumes, VolumeError>;

    /// Checks the volumes that `container`, which was created and not started, holds, and makes unused
    /// ones writable for every user. A manager whose volumes cannot vanish returns them as they are.
    ///
    /// # Errors
    /// [`VolumeError`], of the first volume that is not what was prepared: nothing should be started
    /// with it, and nothing was opened.
    async fn attached(
        &self,
        container: &ContainerId,
        prepared: &PreparedVolumes,
    ) -> Result<AttachReport, VolumeError>;

    /// Finds the volumes that a container of `run` was given, for a process that carries the run
    /// on. Its caches have no other state than [`Reused`](crate::VolumeState::Reused).
    ///
    /// # Errors
    /// [`VolumeError`], of the first mount that cannot be adopted.
    async fn adopt(
        &self,
        mounts: &[MountPoint],
        owner: &str,
        run: &str,
    ) -> Result<PreparedVolumes, VolumeError>;

    /// Cleans up after the run. Call it once the run's containers are removed: a volume in use cannot
    /// be removed.
    async fn finish(&self, prepared: PreparedVolumes, outcome: Outcome) -> FinishReport;
}
