//! Evidence that a process lives: a file that it holds locked, which the kernel lets go at its end,
//! whatever end that is.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::random;

/// The folder of the locks, in the state folder.
const LOCKS: &str = "instances";
/// The file that tells one state folder from every other.
const TOKEN: &str = "host";
/// What a lock's file ends in.
const LOCK: &str = "lock";
/// What a lock's file ends in before it is locked.
const NEW: &str = "new";
/// A file that was not locked within this time belongs to a process that died meanwhile.
const ABANDONED: Duration = Duration::from_hours(1);
/// Random names are so many hexadecimal digits.
const DIGITS: usize = 32;
/// No engine's address is longer; more of a lock's file is not read.
const ADDRESS: u64 = 4096;

/// Why a process cannot give evidence of its life. Jobs run all the same; what they leave is swept
/// when its deadline has passed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// A file or folder could not be made, read or locked.
    #[error("the state folder cannot be used: {}", .path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The folder is another user's, or everybody may write to it: they could take this one's
    /// processes for dead, or have them taken for it.
    #[error("the state folder cannot be used: {} is open to others, its owner is {owner}", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
    },
    /// The file that tells state folders apart is none of ours.
    #[error("the state folder cannot be used: {} holds no token", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl InstanceError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "name a folder that you may write to with BERTH_STATE_DIR",
            Self::Foreign { .. } => {
                "name a folder of your own with BERTH_STATE_DIR, or take the right to \
                 write to it from others: chmod o-w"
            }
            Self::Malformed { .. } => {
                "remove that file, or name another folder with BERTH_STATE_DIR"
            }
        }
    }
}

/// Whether the process that made something lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Life {
    /// It holds its lock.
    Lives,
    /// Its lock is free, or gone.
    Dead,
    /// It belongs to another state folder, or had none: nothing can be said.
    Unknown,
}

/// A state folder: the locks of the processes that share it. They must share the host too, or a file
/// system whose locks reach all hosts: a process whose lock is not to be seen, or not held, is taken
/// for dead. So a folder is not to be copied from one host to another, and a lock not to be removed
/// by hand while its process lives.
#[derive(Debug, Clone)]
pub struct Instances {
    locks: PathBuf,
    token: String,
    engine: String,
}

impl Instances {
    /// The state folder at `folder`, made if it is not there. Two at once agree.
    ///
    /// # Errors
    /// [`InstanceError`].
    pub fn open(folder: &Path) -> Result<Self, InstanceError> {
        let locks = folder.join(LOCKS);
        // Names of projects are in labels, not here; all the same it is nobody else's business.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&locks)
            .map_err(unusable(&locks))?;
        for path in [folder, &locks] {
            let found = fs::metadata(path).map_err(unusable(path))?;
            // Whoever may remove a lock decides who is dead.
            if !is_ours(found.uid(), found.mode(), rustix::process::geteuid().as_raw()) {
                return Err(InstanceError::Foreign { path: path.to_owned(), owner: found.uid() });
            }
        }
        let token = token(folder)?;
        Ok(Self { locks, token, engine: String::new() })
    }

    /// The state directory of this process's user: `BERTH_STATE_DIR`; else `berth` in `XDG_STATE_HOME`;
    /// else `~/.local/state/berth`. Where none of these can be used, as for a user without a home,
    /// `berth-UID` in the directory for temporary files, with the user's number.
    ///
    /// # Errors
    /// [`InstanceError`], of the directory for temporary files; of `BERTH_STATE_DIR` when that is set.
    pub fn of_user() -> Result<Self, InstanceError> {
        let absolute = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let named = std::env::var_os("BERTH_STATE_DIR").filter(|path| !path.is_empty());
        let user = rustix::process::geteuid().as_raw();
        let temporary = std::env::temp_dir().join(format!("berth-{user}"));
        let xdg = absolute("XDG_STATE_HOME").map(|path| path.join("berth"));
        let home = absolute("HOME").map(|path| path.join(".local/state/berth"));
        match named {
            Some(named) => Self::open(Path::new(&named)),
            None => Self::open_first([xdg.or(home), Some(temporary)].into_iter().flatten()),
        }
    }

    /// The first of these state directories that can be used; the error is of the last one.
    fn open_first(directories: impl IntoIterator<Item = PathBuf>) -> Result<Self, InstanceError> {
        let mut last = Err(InstanceError::Malformed { path: PathBuf::new() });
        for directory in directories {
            last = Self::open(&directory);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// For work on one engine, by its address. What died on another engine is no cue for a sweep of
    /// this one, and is not forgotten after it.
    pub fn with_engine(mut self, address: impl Into<String>) -> Self {
        self.engine = address.into();
        self
    }

    /// Begins the evidence of this process. It ends with [`Instance::release`], with the value, or
    /// with the process.
    ///
    /// # Errors
    /// [`InstanceError::Unusable`].
    pub fn claim(&self) -> Result<Instance, InstanceError> {
        let nonce = random::draw();
        let new = self.locks.join(format!("{nonce}.{NEW}"));
        let path = self.lock(&nonce);
        let mut file = File::create_new(&new).map_err(unusable(&new))?;
        let locked = file
            .lock()
            .and_then(|()| file.write_all(self.engine.as_bytes()))
            // Under its own name it is never seen unlocked while this process lives.
            .and_then(|()| fs::rename(&new, &path));
        if let Err(source) = locked {
            // A file system without locks, or a full one, is not to be filled with tries.
            let _ = fs::remove_file(&new);
            return Err(InstanceError::Unusable { path, source });
        }
        Ok(Instance { label: format!("{}.{nonce}", self.token), path, file })
    }

    /// Whether the process with this label lives.
    pub fn life(&self, label: &str) -> Life {
        let nonce = label.strip_prefix(&self.token).and_then(|rest| rest.strip_prefix('.'));
        let Some(nonce) = nonce.filter(|nonce| is_random(nonce)) else { return Life::Unknown };
        match open(&self.lock(nonce)) {
            // Shared: two that look at once must not take each other for the owner.
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Life::Dead,
                Err(TryLockError::WouldBlock) => Life::Lives,
                Err(TryLockError::Error(_)) => Life::Unknown,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Life::Dead,
            Err(_) => Life::Unknown,
        }
    }

    /// The labels of processes that died, or that left something behind, on this engine: why a sweep
    /// is worth its requests. Looking at it costs no request.
    ///
    /// # Errors
    /// [`InstanceError::Unusable`].
    pub fn dead(&self) -> Result<Vec<String>, InstanceError> {
        let mut dead = Vec::new();
        for entry in fs::read_dir(&self.locks).map_err(unusable(&self.locks))? {
            let path = entry.map_err(unusable(&self.locks))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if !is_random(stem) {
                continue;
            }
            match ending {
                LOCK => {
                    let label = format!("{}.{stem}", self.token);
                    if self.is_of_engine(&path) && self.life(&label) == Life::Dead {
                        dead.push(label);
                    }
                }
                NEW if is_abandoned(&path) => {
                    // Gone is gone, whoever did it.
                    let _ = fs::remove_file(&path);
                }
                _ => {}
            }
        }
        dead.sort();
        Ok(dead)
    }

    /// Forgets a process that died and of which nothing is left. One that lives is not forgotten.
    pub fn forget(&self, label: &str) {
        if self.life(label) == Life::Dead
            && let Some((_, nonce)) = label.split_once('.')
        {
            // Names are not used again, so that it cannot have come to life meanwhile.
            let _ = fs::remove_file(self.lock(nonce));
        }
    }

    /// Whether it worked on this engine. Where either does not say on which, it may have.
    fn is_of_engine(&self, lock: &Path) -> bool {
        let mut address = Vec::new();
        let read = open(lock).and_then(|file| file.take(ADDRESS).read_to_end(&mut address));
        read.is_ok()
            && (address.is_empty() || self.engine.is_empty() || address == self.engine.as_bytes())
    }

    fn lock(&self, nonce: &str) -> PathBuf {
        self.locks.join(format!("{nonce}.{LOCK}"))
    }
}

/// The evidence that this process lives.
#[derive(Debug)]
pub struct Instance {
    label: String,
    path: PathBuf,
    file: File,
}

impl Instance {
    /// The value of the label `dev.berth.instance` for what this process makes.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Ends the evidence. When something was left on the engine, the free lock stays as a cue for the
    /// next sweep.
    pub fn release(self, left_something: bool) {
        if !left_something {
            // What stays is swept for nothing once.
            let _ = fs::remove_file(&self.path);
        }
        drop(self);
    }
}

/// Lets the lock go at once. Closing the file would not while a program that another thread is just
/// about to start has a copy of it: it closes that one when it begins, not when it is made.
impl Drop for Instance {
    fn drop(&mut self) {
        // A lock that cannot be let go ends with the file all the same.
        let _ = self.file.unlock();
    }
}

/// Whether nobody else may remove what is in a folder: it is the user's or root's, and not open to
/// everybody. A group is its owner's to choose.
fn is_ours(owner: u32, mode: u32, us: u32) -> bool {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    [0, us].contains(&owner) && (mode & OTHERS_WRITE == 0 || mode & STICKY != 0)
}

/// Opens a plain file. A pipe in its place would be waited for without end.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"))
    }
}

/// The token of a state folder, drawn by whoever is first.
fn token(folder: &Path) -> Result<String, InstanceError> {
    let path = folder.join(TOKEN);
    for _ in 0..2 {
        let mut text = String::new();
        let read = open(&path).and_then(|file| file.take(ADDRESS).read_to_string(&mut text));
        match read.map(|_| text) {
            Ok(text) if is_random(text.trim_end()) => return Ok(text.trim_end().to_owned()),
            Ok(_) => return Err(InstanceError::Malformed { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(InstanceError::Unusable { path, source }),
        }
        let new = folder.join(format!("{}.{NEW}", random::draw()));
        let mut file = File::create_new(&new).map_err(unusable(&new))?;
        // On the disk before it has its name: an empty one after a power failure would be in the way
        // of every run to come. A link appears whole, or not because another one was first.
        let linked = writeln!(file, "{}", random::draw())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&new, &path));
        let _ = fs::remove_file(&new);
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(InstanceError::Unusable { path, source: error });
            }
            _ => {}
        }
    }
    Err(InstanceError::Malformed { path })
}

fn is_random(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_abandoned(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| {
        SystemTime::now().duration_since(written).is_ok_and(|age| age > ABANDONED)
    })
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> InstanceError + use<> {
    let path = path.to_owned();
    move |source| InstanceError::Unusable { path, source }
}

#[cfg(test)]
mod tests;
