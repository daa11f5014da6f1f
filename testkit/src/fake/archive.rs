//! `ArchiveApi` on the fake.

use std::io::Read as _;

use async_trait::async_trait;
use bytes::Bytes;
use docker_api_trait::{
    ApiError, ArchiveApi, ArchiveStream, ContainerId, MountKind, MountPoint, Operation,
    PathDetails, PathKind,
};
use futures_util::{StreamExt as _, stream};
use tar::{Archive, Builder, EntryType, Header};

use super::{
    FakeDocker,
    mount::{clean, innermost},
    state::State,
    upload::{UploadedEntry, VolumeRoot},
};

/// What the engine packs at a time.
const PIECE: usize = 512;

/// Looking at it. None of this counts as a call.
impl FakeDocker {
    /// Owner and mode of the volume's root; `None` when there is no such volume.
    pub fn volume_root(&self, name: &str) -> Option<VolumeRoot> {
        self.state().volumes.get(name).map(|stored| stored.root)
    }

    /// Every header of every archive that was uploaded, in order, but for refused ones.
    pub fn uploaded(&self) -> Vec<UploadedEntry> {
        self.state().uploaded.clone()
    }
}

#[async_trait]
impl ArchiveApi for FakeDocker {
    /// Every `folder` is taken to be there. Of what is unpacked, files in volumes and the owner and
    /// mode of their roots are kept; the rest is only noted for [`FakeDocker::uploaded`].
    async fn upload_archive(
        &self,
        container: &ContainerId,
        folder: &str,
        archive: Bytes,
    ) -> Result<(), ApiError> {
        let operation = Operation::UploadArchive;
        let reply = self.admit(operation).await?;
        let outcome = upload(&mut self.state(), container, folder, &archive);
        reply.deliver(outcome).await
    }

    /// What `archive` yields is gathered first, so that it takes effect when the stream ends.
    async fn upload_archive_stream(
        &self,
        container: &ContainerId,
        folder: &str,
        mut archive: ArchiveStream,
    ) -> Result<(), ApiError> {
        let operation = Operation::UploadArchive;
        let reply = self.admit(operation).await?;
        let mut gathered = Vec::new();
        let mut broken = None;
        while let Some(piece) = archive.next().await {
            match piece {
                Ok(piece) => gathered.extend_from_slice(&piece),
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        let outcome = upload(&mut self.state(), container, folder, &gathered);
        reply
            .deliver(match broken {
                // Nobody hears any more what the engine thinks of the beginning.
                Some(error) => Err(ApiError::Lost { operation, source: error.into() }),
                None => outcome,
            })
            .await
    }

    /// As for [`download_archive`](ArchiveApi::download_archive).
    async fn inspect_path(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<PathDetails, ApiError> {
        let operation = Operation::InspectPath;
        let reply = self.admit(operation).await?;
        let outcome = download(&mut self.state(), operation, container, path);
        reply.deliver(outcome.and_then(|archive| first_header(operation, &archive))).await
    }

    /// What is mounted is there, and the folders and links that the image was given; nothing else.
    async fn download_archive(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> Result<ArchiveStream, ApiError> {
        let reply = self.admit(Operation::DownloadArchive).await?;
        let operation = Operation::DownloadArchive;
        let outcome = download(&mut self.state(), operation, container, path).map(|archive| {
            let pieces: Vec<_> =
                archive.chunks(PIECE).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            stream::iter(pieces).boxed()
        });
        reply.deliver(outcome).await
    }
}

/// Lets the engine reach into a container, as both calls begin.
fn enter(
    state: &mut State,
    operation: Operation,
    id: &ContainerId,
    path: &str,
) -> Result<(), ApiError> {
    if path.is_empty() {
        let message = "bad parameter: pathcannot be empty".to_owned();
        return Err(ApiError::Rejected { operation, message });
    }
    state.container(operation, id)?;
    state.mount_host_paths(id);
    Ok(())
}

fn upload(
    state: &mut State,
    id: &ContainerId,
    folder: &str,
    archive: &[u8],
) -> Result<(), ApiError> {
    let operation = Operation::UploadArchive;
    enter(state, operation, id, folder)?;
    let unpacked = unpack(state, id, folder, archive);
    unpacked.map_err(|words| ApiError::Engine {
        operation,
        status: 500,
        message: format!("Error processing tar file(exit status 1): {words}"),
    })
}

/// Unpacks the archive up to its end or the first header that is refused; the engine's words.
fn unpack(state: &mut State, id: &ContainerId, folder: &str, archive: &[u8]) -> Result<(), String> {
    let mut archive = Archive::new(archive);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path_bytes();
        // What leads out of the folder is cut off.
        let inside = clean(&String::from_utf8_lossy(&name));
        let image = state.containers.get(id).map(|container| container.image.clone());
        let folder = state.resolve(&image.unwrap_or_default(), folder);
        let path = clean(&format!("{folder}{inside}"));
        let header = entry.header();
        let number = |number: std::io::Result<u64>| {
            number.ok().and_then(|number| u32::try_from(number).ok()).ok_or("invalid tar header")
        };
        let uploaded = UploadedEntry {
            container: id.clone(),
            path,
            folder: header.entry_type() == EntryType::Directory,
            root: VolumeRoot {
                uid: number(header.uid())?,
                gid: number(header.gid())?,
                mode: header.mode().map_err(damaged)? & 0o7777,
            },
        };
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(damaged)?;
        // Measured: the folder that is unpacked into stays as it is.
        if inside != "/" {
            put(state, &uploaded, content.into())?;
        }
        state.uploaded.push(uploaded);
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn damaged(error: std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        "unexpected EOF".to_owned()
    } else {
        "archive/tar: invalid tar header".to_owned()
    }
}

/// Puts one entry where it belongs, when that is a volume.
fn put(state: &mut State, entry: &UploadedEntry, content: Bytes) -> Result<(), String> {
    let path = &entry.path;
    let Some(container) = state.containers.get(&entry.container) else {
        return Ok(());
    };
    if entry.folder && state.image_links.contains_key(&(container.image.clone(), path.clone())) {
        return Err(format!("cannot overwrite non-directory \"{path}\" with directory \"/\""));
    }
    let Some((mounted, inside)) = innermost(&container.volumes, path) else {
        return Ok(());
    };
    if inside.is_empty() && !entry.folder {
        return Err(format!("cannot overwrite directory \"{path}\" with non-directory \"/\""));
    }
    if mounted.read_only {
        return Err(format!("lchown {path}: read-only file system"));
    }
    if let Some(stored) = state.volumes.get_mut(&mounted.volume) {
        if inside.is_empty() {
            stored.root = entry.root;
        } else if !entry.folder {
            stored.files.insert(inside, content);
        }
    }
    Ok(())
}

fn first_header(operation: Operation, archive: &[u8]) -> Result<PathDetails, ApiError> {
    let read = || -> std::io::Result<PathDetails> {
        let mut archive = Archive::new(archive);
        let entry = archive.entries()?.next().ok_or(std::io::ErrorKind::UnexpectedEof)??;
        let kind = match entry.header().entry_type() {
            EntryType::Directory => PathKind::Folder,
            EntryType::Symlink => PathKind::Link,
            _ => PathKind::File,
        };
        let mut details = PathDetails::new(kind, entry.header().mode()? & 0o7777);
        details.target = entry.link_name()?.map(|target| target.display().to_string());
        Ok(details)
    };
    read().map_err(|error| ApiError::Protocol { operation, detail: error.to_string() })
}

fn download(
    state: &mut State,
    operation: Operation,
    id: &ContainerId,
    path: &str,
) -> Result<Vec<u8>, ApiError> {
    enter(state, operation, id, path)?;
    pack(state, id, path).ok_or_else(|| ApiError::NotFound {
        operation,
        message: format!("Could not find the file {path} in container {id}"),
    })
}

/// The archive of what is at `path`; `None` when there is nothing.
fn pack(state: &State, id: &ContainerId, path: &str) -> Option<Vec<u8>> {
    let container = state.containers.get(id)?;
    let given = clean(path);
    let name = if path.ends_with("/.") { "." } else { given.rsplit('/').next()? };
    let mut archive = Builder::new(Vec::new());
    let link = state.image_links.get(&(container.image.clone(), given.clone()));
    if let Some(target) = link.filter(|_| !path.ends_with(['/', '.'])) {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Symlink);
        header.set_mode(0o120_777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        archive.append_link(&mut header, name, target).ok()?;
        return archive.into_inner().ok();
    }
    let place = state.resolve(&container.image, &given);
    let volume = innermost(&container.volumes, &place)
        .and_then(|(mounted, inside)| Some((state.volumes.get(&mounted.volume)?, inside)));
    match volume {
        Some((volume, inside)) if inside.is_empty() => {
            append_folder(&mut archive, name, volume.root)?;
            for (inside, content) in &volume.files {
                append_file(&mut archive, &format!("{name}/{inside}"), content)?;
            }
        }
        Some((volume, inside)) => append_file(&mut archive, name, volume.files.get(&inside)?)?,
        None => {
            let of_host =
                |point: &&MountPoint| point.kind == MountKind::Host && point.destination == place;
            let root = match container.mounts.iter().find(of_host) {
                Some(_) => VolumeRoot::default(),
                None => *state.image_folders.get(&(container.image.clone(), place))?,
            };
            append_folder(&mut archive, name, root)?;
        }
    }
    archive.into_inner().ok()
}

fn append_folder(archive: &mut Builder<Vec<u8>>, name: &str, root: VolumeRoot) -> Option<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Directory);
    header.set_uid(root.uid.into());
    header.set_gid(root.gid.into());
    // Measured: with the bits for the kind of file.
    header.set_mode(0o40_000 | root.mode);
    header.set_size(0);
    if name == "." {
        // The builder takes no name without a part to it.
        header.as_old_mut().name[..2].copy_from_slice(b"./");
        header.set_cksum();
        archive.append(&header, std::io::empty()).ok()
    } else {
        archive.append_data(&mut header, format!("{name}/"), std::io::empty()).ok()
    }
}

fn append_file(archive: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) -> Option<()> {
    let mut header = Header::new_ustar();
    header.set_mode(0o100_644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content).ok()
}
