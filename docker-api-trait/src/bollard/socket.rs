//! Whether a socket is one that only its user could have put there: whoever else listens would be told
//! every secret of a job.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{Endpoint, EndpointError};

/// The owner that the kernel shows of a file whose owner has no number in this user namespace.
const NOBODY: u32 = 65_534;
/// The kernel follows no more.
const MOST_LINKS: usize = 40;
/// Everybody may write.
const OTHERS_WRITE: u32 = 0o002;
/// Of a folder: only a file's owner may replace it.
const STICKY: u32 = 0o1000;

/// What is known of a file on the way to a socket, and of the socket itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    owner: u32,
    mode: u32,
}

/// Why a socket is not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It, or a folder that it is in, is another ordinary user's.
    Owner(u32),
    /// A folder that it is in may be written to by everybody.
    Open,
}

impl Endpoint {
    /// Looks at a unix socket before it is trusted with a job's secrets: it, and every folder above it,
    /// is root's or this user's own, and no folder lets everybody replace what is in it. A socket that
    /// is not there yet is judged by its folders. Links are followed. Of other endpoints nothing can be
    /// said.
    ///
    /// What is not in this user namespace, as in a container that was given a socket, counts as root's.
    ///
    /// # Errors
    /// [`EndpointError::Foreign`] and [`EndpointError::Replaceable`];
    /// [`EndpointError::Unreadable`] when it cannot be looked at.
    pub fn verify(&self) -> Result<(), EndpointError> {
        let Self::Unix(socket) = self else { return Ok(()) };
        let us = rustix::process::geteuid().as_raw();
        for (place, file) in places(socket)? {
            match fault(place, us) {
                None => {}
                Some(Fault::Owner(owner)) => {
                    return Err(EndpointError::Foreign { path: file, owner });
                }
                Some(Fault::Open) => return Err(EndpointError::Replaceable { path: file }),
            }
        }
        Ok(())
    }
}

fn fault(place: Place, us: u32) -> Option<Fault> {
    let Place { owner, mode } = place;
    if ![0, us, NOBODY].contains(&owner) {
        return Some(Fault::Owner(owner));
    }
    let is_folder = mode & 0o170_000 == 0o040_000;
    (is_folder && mode & OTHERS_WRITE != 0 && mode & STICKY == 0).then_some(Fault::Open)
}

/// All that is on the way to the socket, and the socket, as far as they are there: also each link, and
/// what it leads through, as whoever may replace one says where it leads.
fn places(socket: &Path) -> Result<Vec<(Place, PathBuf)>, EndpointError> {
    let unreadable =
        |path: &Path, source| EndpointError::Unreadable { path: path.to_owned(), source };
    let socket = std::path::absolute(socket).map_err(|source| unreadable(socket, source))?;
    let mut places = Vec::new();
    let mut here = PathBuf::new();
    let mut parts = parts_of(&socket);
    let mut links = 0;
    while let Some(part) = parts.pop() {
        let file = here.join(&part);
        let metadata = match fs::symlink_metadata(&file) {
            Ok(metadata) => metadata,
            // What is wrong with it, connecting says better.
            Err(error) if is_absent(&error) => break,
            Err(source) => return Err(unreadable(&file, source)),
        };
        places.push((Place { owner: metadata.uid(), mode: metadata.mode() }, file.clone()));
        if !metadata.is_symlink() {
            here = file;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            break;
        }
        let target = fs::read_link(&file).map_err(|source| unreadable(&file, source))?;
        parts.extend(parts_of(&target));
    }
    Ok(places)
}

/// A path's parts, the first one last.
fn parts_of(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    };

    use super::*;

    #[test]
    fn a_socket_of_roots_or_ones_own_is_trusted_and_anothers_is_not() {
        const SOCKET: u32 = 0o140_000;
        const FOLDER: u32 = 0o040_000;
        let fault = |owner, mode| super::fault(Place { owner, mode }, 1000);
        for owner in [0, 1000, NOBODY] {
            assert_eq!(fault(owner, SOCKET | 0o660), None, "{owner}");
            assert_eq!(
                fault(owner, SOCKET | 0o666),
                None,
                "who may speak to it is its owner's to say"
            );
            assert_eq!(fault(owner, FOLDER | 0o755), None);
            assert_eq!(fault(owner, FOLDER | 0o1777), None, "as /tmp");
            assert_eq!(fault(owner, FOLDER | 0o777), Some(Fault::Open));
            assert_eq!(fault(owner, FOLDER | 0o002), Some(Fault::Open));
            assert_eq!(fault(owner, FOLDER | 0o775), None, "a group is the owner's to choose");
        }
        for owner in [1, 1001, u32::MAX] {
            for mode in [SOCKET | 0o600, FOLDER | 0o755, FOLDER | 0o1777] {
                assert_eq!(fault(owner, mode), Some(Fault::Owner(owner)), "{owner} {mode:o}");
            }
        }
    }

    #[test]
    fn a_folder_that_everybody_may_write_to_is_found_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("e.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        let link = root.path().join("link");
        symlink(&socket, &link).unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let verify = |path: &Path| Endpoint::Unix(path.to_owned()).verify();
        let absent = folder.join("absent.sock");
        for path in [&socket, &link, &absent] {
            verify(path).unwrap();
        }
        for (open, found) in [(folder.clone(), [true; 3]), (root.path().join("a"), [true; 3])] {
            set(&open, 0o777);
            for (path, found) in [&socket, &link, &absent].into_iter().zip(found) {
                let verdict = verify(path);
                let is_found =
                    matches!(&verdict, Err(EndpointError::Replaceable { path }) if *path == open);
                assert_eq!(is_found, found, "{}: {verdict:?}", path.display());
            }
            set(&open, 0o1777);
            verify(&socket).unwrap();
            set(&open, 0o755);
        }
        // So does the folder in the middle of two links, in whose place another could be put.
        let (middle, first) = (root.path().join("middle"), root.path().join("first"));
        fs::create_dir(&middle).unwrap();
        symlink("../link", middle.join("second")).unwrap();
        symlink("middle/second", &first).unwrap();
        verify(&first).unwrap();
        set(&middle, 0o777);
        let verdict = verify(&first);
        let is_found =
            matches!(&verdict, Err(EndpointError::Replaceable { path }) if *path == middle);
        assert!(is_found, "{verdict:?}");
        // Links that lead round and round end where the kernel ends.
        symlink("round", root.path().join("round")).unwrap();
        verify(&root.path().join("round")).unwrap();
        // The link's own folder counts, too.
        set(root.path(), 0o777);
        assert!(matches!(verify(&link), Err(EndpointError::Replaceable { .. })));
    }

    #[test]
    fn of_an_address_nothing_can_be_said() {
        Endpoint::Tcp("engine:2375".to_owned()).verify().unwrap();
    }
}
