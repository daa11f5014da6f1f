//! Files between a folder of this machine and the build folder of a container.
//!
//! # In: the project into the build folder
//!
//! ```text
//! Workspace::scan ──▶ Scan ── changes(old manifest) ──▶ Changes ── pack ──▶ archive ──▶ upload
//! read_manifest(download of MANIFEST_NAME) ──▶ Option<Manifest>  ▲     └─ script ──▶ run before the job
//! ```
//!
//! After the upload and the script, with exit status 0:
//! - every listed file of the project is in the build folder as it is here (size, mode, and time
//!   of change to the second);
//! - what was listed last time and is not any more is gone from there;
//! - everything else there, such as build products, is left alone. So builds stay incremental; who
//!   wants a clean folder takes a new volume.
//!
//! A job may change the project's files in the container. That is why the script looks at each file
//! that was *not* sent again (size, mode, time of change: what rsync looks at) before the job's
//! own script runs. If one is not as it was left, or something was in the way, the script ends with
//! [`STALE_STATUS`] and leaves a file named [`STALE_NAME`]: then send everything ([`Scan::full`])
//! and start the container again. A file that a job changes to the same size and sets back to the
//! same second is not noticed; nor by rsync.
//!
//! When the engine refuses an archive, a job has put something else where a folder or file of the
//! project belongs: upload [`Scan::repair_archive`], start the container for the script alone, then
//! send everything. A job without a shell gets everything each time, and vanished files stay.
//!
//! What is promised after an interrupted upload: the first entry of an archive is a manifest that
//! claims both what was there and what is to come, and says that it is not complete; the last makes
//! the name a link to the complete one. So the next upload sends everything, and still knows what
//! it has to remove. After an upload whose script never ran, the removals are remembered and asked
//! for again. No state is kept on this machine.
//!
//! One upload at a time: nothing here keeps two of them into one folder apart.
//!
//! `.git` is left out: it is often larger than the project, holds credentials of remotes, and what
//! a job writes into its hooks and configuration would be run by the next `git`. So `git describe`
//! does not work in the job; hand it a variable.
//!
//! # Out: artifacts into a folder
//!
//! [`Artifacts`] picks files by patterns from the archive of the build folder and unpacks them. The
//! archive is a stranger's: no link is followed, nothing is written outside the folder, and what
//! cannot be had on these terms is skipped and reported.

mod archive;
mod artifact;
mod change;
mod entry;
mod error;
mod glob;
mod limits;
mod list;
mod manifest;
mod pack;
mod pipe;
mod place;
mod report;
mod scan;
mod script;
mod script_name;
mod unpack;

pub use artifact::Artifacts;
pub use change::Changes;
pub use entry::{Entry, EntryKind, RelativePath, SkipReason, Skipped};
pub use error::{ArchiveFault, ArtifactLimit, WorkspaceError};
pub use limits::ArtifactLimits;
pub use manifest::{MANIFEST_NAME, Manifest, read_manifest};
pub use pack::{Owner, PackProgress, PackReport, Packing, ProgressCount};
pub use report::{ArtifactReport, LinkedArtifact, UploadReport};
pub use scan::{Scan, Workspace};
pub use script_name::{SCRIPT_NAME, STALE_NAME, STALE_STATUS};
