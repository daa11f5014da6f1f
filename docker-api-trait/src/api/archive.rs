//! Files in containers, as tar archives.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::{ApiError, id::ContainerId, model::PathDetails};

/// A tar archive, uncompressed, in pieces of any length. Dropping it ends the transfer.
pub type ArchiveStream = BoxStream<'static, Result<Bytes, ApiError>>;

/// Files in containers on the engine.
///
/// Works on a container in every state, one that was never started too: the engine mounts its
/// volumes for the time of the call, and makes folders of the host that are missing. So the owner
/// and mode of a volume's root can be read and set without anything being run.
#[async_trait]
pub trait ArchiveApi: Debug + Send + Sync {
    /// Unpacks `archive`, a tar archive, into `folder`, an absolute path in the container.
    ///
    /// Measured on Engine 20.10:
    /// - Numeric owner and mode of each header are taken over, also where the folder is there
    ///   already. With `folder` `/`, a header `cache/` (or `cache`, or `./cache/`) thus sets owner
    ///   and mode of the root of the volume that is mounted at `/cache`; a header `./` with `folder`
    ///   `/cache` does not.
    /// - Folders that no header names are made for root, mode 0755.
    /// - Paths cannot leave `folder`: leading slashes and `..` are cut off.
    /// - Where `folder` is a link, the archive is unpacked where it leads. A header of a folder that
    ///   meets a link is refused, `cannot overwrite non-directory "/link" with directory "/"`: of a
    ///   volume whose destination is a link in the image, the root is reached only by the path that
    ///   the link leads to.
    /// - What comes before a refused header has taken effect.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is no such container, or no `folder` in it;
    /// [`ApiError::Engine`], 500, when a header would replace a folder by something else or the other
    /// way round, when it meets a mount that may only be read, and when the archive is damaged.
    async fn upload_archive(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: Bytes,
    ) -> Result<(), ApiError>;

    /// Unpacks an archive that comes in pieces, as [`upload_archive`](Self::upload_archive) does a
    /// whole one. No time limit applies while pieces come: that is for whoever makes them to judge.
    ///
    /// # Errors
    /// As for [`upload_archive`](Self::upload_archive); [`ApiError::Lost`] when `archive` yields an
    /// error. What came before has taken effect.
    async fn upload_archive_stream(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: ArchiveStream,
    ) -> Result<(), ApiError>;

    /// Looks at what is at `path`, an absolute path in the container: of a link at the link itself.
    /// Measured on Engine 20.10: 2 ms, where the smallest archive takes 60.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is no such container, or nothing at `path`.
    async fn inspect_path(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<PathDetails, ApiError>;

    /// Packs what is at `path`, an absolute path in the container.
    ///
    /// Measured on Engine 20.10:
    /// - The first header is that of `path` itself, named by its last part: `cache/` for `/srv/cache`
    ///   and for `/srv/cache/`, and `./` for `/srv/cache/.`. All others begin with the same name.
    /// - A header's mode has the bits for the kind of file too: 0o40755, not 0o755.
    /// - Of a link the archive holds the link alone, also where a volume is mounted at the place
    ///   that it leads to. With a slash after it, the archive holds what is there, under the link's
    ///   name.
    ///
    /// # Errors
    /// Of this call: [`ApiError::NotFound`] when there is no such container, or nothing at `path`.
    /// In the stream: [`ApiError::Lost`] when the connection breaks off. An archive that is cut short
    /// otherwise is the reader's to notice.
    async fn download_archive(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<ArchiveStream, ApiError>;
}
