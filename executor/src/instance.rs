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
            Self::Unusable { .. } => {
                "name a folder that you may write to with --state-dir or BERTH_STATE_DIR"
            }
            Self::Foreign { .. } => {
                "name a folder of your own with --state-dir or BERTH_STATE_DIR, or take the right to \
                 write to it from others: chmod o-w"
            }
            Self::Malformed { .. } => "remove that file, or name another folder with --state-dir",
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
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder() -> (tempfile::TempDir, Instances) {
        let folder = tempfile::tempdir().unwrap();
        let instances = Instances::open(&folder.path().join("state")).unwrap();
        (folder, instances)
    }

    #[test]
    fn a_state_folder_that_others_decide_over_is_refused() {
        for (owner, mode, ours) in [
            (1000, 0o700, true),
            (1000, 0o775, true),
            (0, 0o1777, true),
            (1000, 0o777, false),
            (1001, 0o700, false),
        ] {
            assert_eq!(is_ours(owner, mode, 1000), ours, "{owner} {mode:o}");
        }
        let folder = tempfile::tempdir().unwrap();
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), open).unwrap();
        let error = Instances::open(folder.path()).unwrap_err();
        assert!(matches!(error, InstanceError::Foreign { .. }), "{error:?}");
        assert!(error.hint().contains("chmod o-w"));
    }

    #[test]
    fn the_first_directory_that_can_be_used_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let good = directory.path().join("good");
        let instances = Instances::open_first([file.join("state"), good.clone()]).unwrap();
        assert_eq!(instances.locks, good.join(LOCKS));
        let error = Instances::open_first([good.join("host"), file.clone()]).unwrap_err();
        assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
    }

    #[test]
    fn a_pipe_in_the_place_of_a_lock_or_of_the_token_holds_nobody_up() {
        let (folder, instances) = folder();
        let pipe = |path: &Path| {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
        };
        let nonce = "1".repeat(DIGITS);
        pipe(&instances.lock(&nonce));
        let label = format!("{}.{nonce}", instances.token);
        assert_eq!(instances.life(&label), Life::Unknown);
        assert_eq!(instances.dead().unwrap(), [""; 0]);
        let token = folder.path().join("state").join(TOKEN);
        fs::remove_file(&token).unwrap();
        pipe(&token);
        let error = Instances::open(&folder.path().join("state")).unwrap_err();
        assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
    }

    #[test]
    fn who_holds_its_lock_lives_and_who_let_go_is_dead() {
        let (_folder, instances) = folder();
        let instance = instances.claim().unwrap();
        let label = instance.label().to_owned();
        assert_eq!(instances.life(&label), Life::Lives);
        assert_eq!(instances.dead().unwrap(), [""; 0]);
        // As at the end of a process.
        drop(instance);
        assert_eq!(instances.life(&label), Life::Dead);
        assert_eq!(instances.dead().unwrap(), std::slice::from_ref(&label));
        instances.forget(&label);
        assert_eq!(instances.dead().unwrap(), [""; 0]);
        assert_eq!(instances.life(&label), Life::Dead);
    }

    #[test]
    fn a_clean_end_leaves_no_cue_and_an_unclean_one_does() {
        let (_folder, instances) = folder();
        instances.claim().unwrap().release(false);
        assert_eq!(instances.dead().unwrap(), [""; 0]);
        let instance = instances.claim().unwrap();
        let label = instance.label().to_owned();
        instance.release(true);
        assert_eq!(instances.dead().unwrap(), [label]);
    }

    #[test]
    fn who_lives_is_not_forgotten() {
        let (_folder, instances) = folder();
        let instance = instances.claim().unwrap();
        instances.forget(instance.label());
        assert_eq!(instances.life(instance.label()), Life::Lives);
    }

    #[test]
    fn of_another_folder_and_of_other_forms_nothing_is_known() {
        let (_one, instances) = folder();
        let (_other, others) = folder();
        let instance = others.claim().unwrap();
        assert_eq!(instances.life(instance.label()), Life::Unknown);
        let token = &instances.token;
        let long = format!("{token}.{}", "a".repeat(33));
        let climbs = format!("{token}.../../../../../../../../etc/passwd");
        for label in ["", "pid-7", token, &format!("{token}."), &long, &climbs] {
            assert_eq!(instances.life(label), Life::Unknown, "{label:?}");
        }
    }

    #[test]
    fn who_died_on_another_engine_is_no_cue_for_this_one() {
        let (_folder, instances) = folder();
        let (one, other) =
            (instances.clone().with_engine("unix:///one"), instances.clone().with_engine("other"));
        let label = one.claim().unwrap().label().to_owned();
        assert_eq!(one.dead().unwrap(), std::slice::from_ref(&label));
        assert_eq!(other.dead().unwrap(), [""; 0]);
        assert_eq!(other.life(&label), Life::Dead, "all the same it is dead");
        // Who does not say which engine, asks for all.
        assert_eq!(instances.dead().unwrap(), [label]);
    }

    #[test]
    fn what_is_no_lock_is_neither_a_cue_nor_removed() {
        let (_folder, instances) = folder();
        let nonce = "0".repeat(DIGITS);
        let names = ["notes.lock", &format!("{nonce}.txt"), &format!("{nonce}.new"), &nonce];
        for name in names {
            fs::write(instances.locks.join(name), "").unwrap();
        }
        assert_eq!(instances.dead().unwrap(), [""; 0]);
        assert!(names.iter().all(|name| instances.locks.join(name).exists()));
    }

    #[test]
    fn a_file_that_its_process_never_came_to_lock_goes_after_an_hour() {
        let (_folder, instances) = folder();
        let path = instances.locks.join(format!("{}.{NEW}", "0".repeat(DIGITS)));
        let file = File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - ABANDONED - Duration::from_mins(1)).unwrap();
        assert_eq!(instances.dead().unwrap(), [""; 0]);
        assert!(!path.exists());
    }

    #[test]
    fn a_claim_that_fails_leaves_nothing() {
        let (_folder, instances) = folder();
        fs::remove_dir(&instances.locks).unwrap();
        let error = instances.claim().unwrap_err();
        assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
        assert!(!instances.locks.exists());
        let error = instances.dead().unwrap_err();
        assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
    }

    #[test]
    fn those_that_look_at_once_do_not_take_each_other_for_the_owner() {
        let (_folder, instances) = folder();
        let dead = instances.claim().unwrap().label().to_owned();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        assert_eq!(instances.life(&dead), Life::Dead);
                    }
                });
            }
        });
    }

    #[test]
    fn a_lock_ends_though_another_copy_of_its_file_is_open() {
        let (_folder, instances) = folder();
        let instance = instances.claim().unwrap();
        let label = instance.label().to_owned();
        // What a program has between its being made and its beginning.
        let copy = instance.file.try_clone().unwrap();
        drop(instance);
        assert_eq!(instances.life(&label), Life::Dead);
        drop(copy);
    }

    #[test]
    fn those_that_open_a_folder_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let tokens: Vec<_> = std::thread::scope(|scope| {
            let open = || Instances::open(folder.path()).unwrap().token;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    }

    #[test]
    fn a_folder_that_is_none_and_a_token_that_is_none_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Instances::open(&file).unwrap_err();
        assert!(matches!(error, InstanceError::Unusable { .. }), "{error:?}");
        fs::write(folder.path().join(TOKEN), "not a token").unwrap();
        let error = Instances::open(folder.path()).unwrap_err();
        assert!(matches!(error, InstanceError::Malformed { .. }), "{error:?}");
    }
}
