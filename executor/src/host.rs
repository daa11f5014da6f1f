//! Looks at what paths of this host really are, for plans that an engine on this host carries out.
//!
//! The engine follows links when it mounts a path, and so does this; what a path is can change between
//! the two. Whoever can change it needs a process on the host, or a folder of it that was given away.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use volume_manager::{HostPath, PlannedSource, Policy, RealPath, VolumePlan};

use crate::{
    config::ExecutorConfig,
    job::{JobError, JobSpec},
    plan::{JobPlan, RunContext, plan_for_remote_engine},
};

/// As the kernel numbers a file: its device, and its number there.
type Identity = (u64, u64);

/// Decides everything that a run creates and does, for an engine on this host. No request is sent.
///
/// The host paths that the job mounts are inspected: no link and no further mount may lead to an
/// engine's socket, and no link may lead out of the directory that a configured volume has before its
/// variables. Everything else is decided as by [`plan_for_remote_engine`], which judges paths by their
/// text alone.
///
/// The path is mounted as it was written. Whoever may change it can still do so between this
/// inspection and the mount.
///
/// # Errors
/// As [`plan_for_remote_engine`]; also [`EngineSocketReached`](volume_manager::PlanError::EngineSocketReached) and
/// [`HostPathUnknown`](volume_manager::PlanError::HostPathUnknown).
pub fn plan(
    job: &JobSpec,
    config: &ExecutorConfig,
    context: &RunContext,
) -> Result<JobPlan, JobError> {
    let decided = plan_for_remote_engine(job, config, context)?;
    let mut paths = host_paths(&decided.volumes);
    let has_variables = config.volumes.iter().any(|volume| volume.contains('$'));
    if paths.is_empty() || (config.policy.allow_engine_socket && !has_variables) {
        return Ok(decided);
    }
    if has_variables {
        // A configured path must stay below the directory before its variable, where that really is.
        let around = |path: &HostPath| -> Vec<HostPath> {
            Path::new(path.as_str()).ancestors().filter_map(host_path).collect()
        };
        paths = paths.iter().flat_map(around).collect();
    }
    let mut config = config.clone();
    look(&mut config.policy, &paths);
    plan_for_remote_engine(job, &config, context)
}

/// [`plan()`] on a thread where a look may take its time: a file system that does not answer
/// keeps nobody else waiting.
pub(crate) async fn plan_aside(
    job: &JobSpec,
    config: &ExecutorConfig,
    context: RunContext,
) -> Result<JobPlan, JobError> {
    let decided = plan_for_remote_engine(job, config, &context)?;
    if host_paths(&decided.volumes).is_empty() {
        return Ok(decided);
    }
    let (job, config) = (job.clone(), config.clone());
    let looked = tokio::task::spawn_blocking(move || plan(&job, &config, &context));
    // Nobody cancels it; a panic goes on.
    looked.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

fn host_paths(volumes: &VolumePlan) -> BTreeSet<HostPath> {
    let sources = volumes.volumes.iter().map(|volume| &volume.source);
    sources
        .filter_map(|source| match source {
            PlannedSource::Host(path) => Some(path.clone()),
            _ => None,
        })
        .collect()
}

/// Puts into the policy what these paths really are, and where the engines' sockets really are.
fn look(policy: &mut Policy, paths: &BTreeSet<HostPath>) {
    let sockets = policy.sockets(&users());
    let mut guarded: BTreeMap<Identity, HostPath> = BTreeMap::new();
    for socket in sockets {
        let Ok(Some(real)) = real_path(Path::new(socket.as_str())) else { continue };
        for folder in real.ancestors() {
            if let (Ok(metadata), Some(path)) = (fs::metadata(folder), host_path(folder)) {
                guarded.insert((metadata.dev(), metadata.ino()), path);
            }
        }
        let Some(real) = host_path(&real) else { continue };
        if real != socket && !policy.engine_sockets.contains(&real) {
            policy.engine_sockets.push(real);
        }
    }
    // Where it cannot be read, there is no other name for a folder but by links.
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mount_points(&mounts);
    for path in paths {
        let real = reached(Path::new(path.as_str()), &mounts, &guarded);
        policy.real_paths.insert(path.clone(), real);
    }
}

/// Users who may have an engine of their own: those who are logged in, as the system has it.
fn users() -> Vec<u32> {
    let folders = fs::read_dir("/run/user").into_iter().flatten().flatten();
    folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok()).collect()
}

/// All that a container reaches through a path: where it leads, and the guarded folders that it, or
/// something mounted below it, is under another name.
fn reached(path: &Path, mounts: &[PathBuf], guarded: &BTreeMap<Identity, HostPath>) -> RealPath {
    let Ok(Some(real)) = real_path(path) else { return RealPath::Unknown };
    let Some(named) = host_path(&real) else { return RealPath::Unknown };
    let below = mounts.iter().filter(|mount| mount.starts_with(&real));
    let others = below
        .map(PathBuf::as_path)
        .chain([real.as_path()])
        .filter_map(|place| fs::metadata(place).ok())
        .filter_map(|metadata| guarded.get(&(metadata.dev(), metadata.ino())).cloned());
    let others: BTreeSet<_> = others.filter(|other| *other != named).collect();
    RealPath::Reaches([named].into_iter().chain(others).collect())
}

/// The path without links; of one that is not there yet, the part that is. None when a link leads
/// nowhere: where it will lead, nobody knows.
fn real_path(path: &Path) -> io::Result<Option<PathBuf>> {
    for folder in path.ancestors() {
        match folder.canonicalize() {
            Ok(real) => {
                let rest = path.strip_prefix(folder).map_err(io::Error::other)?;
                return Ok(Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) }));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if folder.symlink_metadata().is_ok() {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn host_path(path: &Path) -> Option<HostPath> {
    path.to_str()?.parse().ok()
}

/// The places in the kernel's list of mounts, where white space and backslashes are octal.
fn mount_points(list: &[u8]) -> Vec<PathBuf> {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    let fields = list
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    fields.map(|field| PathBuf::from(OsString::from_vec(unescaped(field)))).collect()
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        plain.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::{fs::symlink, net::UnixListener},
        sync::Arc,
    };

    use volume_manager::PlanError;

    use super::*;
    use crate::job::{Command, JobError};
    use volume_manager::Trust;

    /// A folder with an engine's socket in it, and a job that may mount paths of the host.
    struct Host {
        folder: tempfile::TempDir,
        _socket: UnixListener,
        config: ExecutorConfig,
    }

    impl Host {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("run/engine")).unwrap();
            fs::create_dir_all(folder.path().join("srv/data")).unwrap();
            let socket = folder.path().join("run/engine/e.sock");
            let listener = UnixListener::bind(&socket).unwrap();
            let mut config = ExecutorConfig::new("ci");
            config.policy = Policy::default()
                .with_host_paths(true)
                .with_socket_at(socket.to_str().unwrap().parse().unwrap());
            Self { folder, _socket: listener, config }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        fn link(&self, from: &str, to: impl AsRef<Path>) {
            symlink(to, self.at(from)).unwrap();
        }

        fn job(source: &Path) -> JobSpec {
            let image: docker_api_trait::ImageReference = "busybox".parse().unwrap();
            let mut job =
                JobSpec::new("app", Trust::Trusted, image, Command::script("true").unwrap());
            job.volumes.push(format!("{}:/x", source.display()));
            job
        }

        fn mounts(&self, source: &Path) -> Result<JobPlan, JobError> {
            plan(&Self::job(source), &self.config, &RunContext::draw())
        }

        #[track_caller]
        fn assert_reached(&self, source: impl AsRef<Path>) {
            let error = self.mounts(source.as_ref()).unwrap_err();
            let JobError::Volumes(error) = error else { panic!("{error:?}") };
            assert!(
                matches!(
                    error,
                    PlanError::EngineSocketReached { .. } | PlanError::EngineSocketRefused { .. }
                ),
                "{}: {error:?}",
                source.as_ref().display()
            );
        }
    }

    #[test]
    fn a_link_to_a_socket_or_to_a_folder_around_one_is_refused_however_it_is_spelled() {
        let host = Host::new();
        let mut links = 0;
        // Relative and absolute ones, chains, and links in the middle of a path.
        let targets = ["run/engine/e.sock", "run/engine", "run", "."];
        for (number, target) in targets.iter().enumerate() {
            host.link(&format!("srv/absolute{number}"), host.at(target));
            host.link(&format!("srv/relative{number}"), Path::new("..").join(target));
            host.link(&format!("srv/data/deep{number}"), Path::new("../..").join(target));
            for first in ["absolute", "relative"] {
                host.link(
                    &format!("srv/chain-{first}{number}"),
                    host.at(&format!("srv/{first}{number}")),
                );
            }
        }
        host.link("middle", host.at("srv"));
        let mut spellings = Vec::new();
        for number in 0..targets.len() {
            for name in ["absolute", "relative", "data/deep", "chain-absolute", "chain-relative"] {
                for prefix in ["srv", "middle", "srv/data/../../srv", "./srv/.", "run/../middle//"]
                {
                    for end in ["", "/"] {
                        spellings.push(format!("{prefix}/{name}{number}{end}"));
                    }
                }
            }
        }
        for spelling in spellings {
            host.assert_reached(host.at(&spelling));
            links += 1;
        }
        assert!(links >= 200, "{links}");
        // From a folder that a link leads to, downwards.
        host.assert_reached(host.at("middle/relative2/engine/e.sock"));
        host.assert_reached(host.at("middle/absolute3/run"));
    }

    #[test]
    fn the_places_where_engines_listen_are_refused_through_links_on_this_host() {
        let host = Host::new();
        for target in ["/", "/var", "/run", "/var/run", "/proc", "/proc/self/root", "/proc/1"] {
            let name = format!("to{}", target.replace('/', "-"));
            host.link(&name, target);
            host.assert_reached(host.at(&name));
            host.assert_reached(target);
        }
        for socket in Policy::default().sockets(&[0, 1000]) {
            host.assert_reached(socket.as_str());
            for folder in Path::new(socket.as_str()).ancestors() {
                host.assert_reached(folder);
            }
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_or_round_cannot_be_judged_and_is_refused() {
        let host = Host::new();
        host.link("nowhere", "/nonexistent/engine");
        host.link("round", host.at("round"));
        for name in ["nowhere", "nowhere/below", "round"] {
            let error = host.mounts(&host.at(name)).unwrap_err();
            let unknown = matches!(error, JobError::Volumes(PlanError::HostPathUnknown { .. }));
            assert!(unknown, "{name}: {error:?}");
        }
    }

    #[tokio::test]
    async fn an_executor_looks_by_itself_and_asks_the_engine_for_nothing() {
        let host = Host::new();
        host.link("sock", host.at("run/engine/e.sock"));
        let engine = testkit::FakeDocker::new().with_image("busybox");
        let docker: Arc<dyn docker_api_trait::DockerApi> = Arc::new(engine.clone());
        let volumes = volume_manager::DockerVolumeManager::new(Arc::clone(&docker));
        let executor =
            crate::executor::Executor::new(docker, Arc::new(volumes), host.config.clone())
                .without_instance();
        let sink = || Box::new(crate::log::NullSink);
        let cancel = crate::cancel::Cancel::new();
        let refused = executor
            .job(&Host::job(&host.at("sock")))
            .sink(sink())
            .cancel(&cancel)
            .run()
            .await
            .unwrap_err();
        let JobError::Volumes(PlanError::EngineSocketReached { .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(engine.calls(), []);
        let ran = executor
            .job(&Host::job(&host.at("srv/data")))
            .sink(sink())
            .cancel(&cancel)
            .run()
            .await
            .unwrap();
        assert!(matches!(ran.outcome, crate::outcome::JobOutcome::Succeeded), "{:?}", ran.outcome);
    }

    #[test]
    fn what_leads_to_no_socket_is_mounted_as_it_was_written() {
        let host = Host::new();
        host.link("data", host.at("srv/data"));
        for source in ["data", "srv/data", "srv/data/not/there/yet", "srv"] {
            let plan = host.mounts(&host.at(source)).unwrap();
            let source = host.at(source);
            assert_eq!(
                plan.volumes.volumes[0].source,
                PlannedSource::Host(source.to_str().unwrap().parse().unwrap())
            );
        }
    }

    #[test]
    fn a_link_to_a_socket_needs_permission_in_the_configuration_too() {
        let mut host = Host::new();
        host.link("sock", host.at("run"));
        host.link("nowhere", "/nonexistent/engine");
        host.config.policy.allow_host_paths = false;
        let job = |host: &Host| {
            let mut job = Host::job(Path::new("/"));
            job.volumes.clear();
            plan(&job, &host.config, &RunContext::draw())
        };
        for (source, allowed) in [("srv/data", true), ("nowhere", true), ("sock", false)] {
            host.config.volumes = vec![format!("{}:/granted", host.at(source).display())];
            let planned = job(&host);
            assert_eq!(planned.is_ok(), allowed, "{source}: {planned:?}");
        }
        host.config.policy.allow_engine_socket = true;
        assert!(job(&host).is_ok());
    }

    #[test]
    fn a_link_of_an_earlier_job_does_not_leave_the_configured_directory() {
        let mut host = Host::new();
        fs::create_dir_all(host.at("data/m2/1")).unwrap();
        fs::create_dir_all(host.at("data/secret")).unwrap();
        // The directory may be a link: the operator wrote it.
        host.link("m2", host.at("data/m2"));
        host.link("data/m2/out", host.at("data/secret"));
        host.link("data/m2/relative", "../secret");
        host.link("data/m2/around", "..");
        host.link("data/m2/same", ".");
        host.link("data/m2/nowhere", "/nonexistent");
        host.link("data/m2/inside", "1");
        host.config.policy.allow_host_paths = false;
        host.config.volumes = vec![format!("{}/$ID:/m2", host.at("m2").display())];
        for is_socket_allowed in [false, true] {
            host.config.policy.allow_engine_socket = is_socket_allowed;
            for (value, allowed) in [
                ("1", true),
                ("new", true),
                ("inside", true),
                ("out", false),
                ("relative", false),
                ("around", false),
                ("same", false),
                ("nowhere", false),
            ] {
                let mut job = Host::job(Path::new("/"));
                job.volumes.clear();
                job.variables = vec![crate::job::Variable::new("ID", value).unwrap()];
                match plan(&job, &host.config, &RunContext::draw()) {
                    Ok(_) => assert!(allowed, "{value}"),
                    Err(JobError::Volumes(PlanError::HostPathRefused { .. })) => {
                        assert!(!allowed, "{value}");
                    }
                    Err(error) => panic!("{value}: {error:?}"),
                }
            }
        }
    }

    #[test]
    fn a_folder_under_another_name_is_known_by_its_number() {
        let host = Host::new();
        let metadata = fs::metadata(host.at("run")).unwrap();
        let run: HostPath = "/guarded/run".parse().unwrap();
        let guarded = BTreeMap::from([((metadata.dev(), metadata.ino()), run.clone())]);
        // As if it were mounted there, too.
        let RealPath::Reaches(all) = reached(&host.at("run"), &[], &guarded) else { panic!() };
        assert!(all.contains(&run), "{all:?}");
        let mounts = [host.at("run").canonicalize().unwrap()];
        let RealPath::Reaches(all) = reached(host.folder.path(), &mounts, &guarded) else {
            panic!()
        };
        assert!(all.contains(&run), "{all:?}");
        let RealPath::Reaches(all) = reached(&host.at("srv"), &mounts, &guarded) else { panic!() };
        assert!(!all.contains(&run), "{all:?}");
    }

    #[test]
    fn the_kernels_list_of_mounts_is_read_with_its_escapes() {
        let list = b"22 1 0:21 / /run rw - tmpfs tmpfs rw\n\
                     23 1 0:22 / /mnt/a\\040b\\134c rw - ext4 /dev/x rw\nshort line\n\n";
        assert_eq!(mount_points(list), [Path::new("/run"), Path::new("/mnt/a b\\c")]);
        assert_eq!(unescaped(b"\\"), b"\\");
        assert_eq!(unescaped(b"\\9zz\\777"), b"\\9zz\\777");
    }
}
