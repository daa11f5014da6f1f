//! A container's sockets as this host's kernel reports them. It needs neither a program in the
//! container nor a request to the engine, but the container has to run on this host.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use docker_api_trait::ContainerId;

use super::listen::{MAX_TABLE, Sockets};

/// The tables of sockets, below a process's directory.
const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// This host's `/proc`.
#[derive(Debug, Clone)]
pub(super) struct LocalProc {
    root: PathBuf,
}

impl Default for LocalProc {
    fn default() -> Self {
        Self { root: PathBuf::from("/proc") }
    }
}

impl LocalProc {
    /// The sockets of a container whose first process the engine reports with this id. `None` when that
    /// is not a process of this host that is in the container: the engine may run on another host, in a
    /// virtual machine or in another PID namespace, where the same number is another process. The
    /// control group proves it, as its name has the container's id in it.
    ///
    /// Any user may read these files, whoever owns the process.
    pub(super) fn sockets(&self, container: &ContainerId, pid: u32) -> Option<Sockets> {
        let process = self.root.join(pid.to_string());
        if !is_of_container(&process, container) {
            return None;
        }
        let mut tables = String::new();
        for table in TABLES {
            // Without IPv6 two of them are missing.
            if let Ok(table) = read(&process.join("net").join(table)) {
                tables.push_str(&table);
            }
        }
        // The number may have passed to another process in the meantime.
        if !is_of_container(&process, container) {
            return None;
        }
        Sockets::parse(&tables)
    }
}

fn is_of_container(process: &Path, container: &ContainerId) -> bool {
    read(&process.join("cgroup")).is_ok_and(|groups| groups.contains(container.as_str()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_TABLE as u64).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use tempfile::TempDir;

    use super::*;

    const LISTENS: &str = "  sl  local_address rem_address   st\n   \
                           0: 00000000:1F90 00000000:0000 0A 00000000:00000000\n";

    fn id() -> ContainerId {
        ContainerId::new("b8".repeat(32)).unwrap()
    }

    /// A `/proc` with one process, in the control group `group`.
    fn host(group: &str) -> (TempDir, LocalProc) {
        let directory = tempfile::tempdir().unwrap();
        let net = directory.path().join("4711/net");
        fs::create_dir_all(&net).unwrap();
        fs::write(directory.path().join("4711/cgroup"), group).unwrap();
        fs::write(net.join("tcp"), LISTENS).unwrap();
        let root = directory.path().to_owned();
        (directory, LocalProc { root })
    }

    #[test]
    fn reads_the_sockets_of_a_container_of_this_host() {
        let id = id();
        for group in [
            format!("9:name=systemd:/docker/{id}\n0::/docker/{id}\n"),
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("0::/user.slice/libpod-{id}.scope/container\n"),
        ] {
            let (_directory, proc) = host(&group);
            let sockets = proc.sockets(&id, 4711).unwrap();
            assert_eq!(sockets.tcp, BTreeSet::from([8080]), "{group}");
        }
    }

    #[test]
    fn another_process_with_the_same_number_says_nothing() {
        let (_directory, proc) = host(&format!("0::/docker/{}\n", "a".repeat(64)));
        assert_eq!(proc.sockets(&id(), 4711), None);
        assert_eq!(proc.sockets(&id(), 4712), None);
    }

    #[test]
    fn a_process_without_tables_says_nothing() {
        let (directory, proc) = host(&format!("0::/docker/{}\n", id()));
        fs::remove_file(directory.path().join("4711/net/tcp")).unwrap();
        assert_eq!(proc.sockets(&id(), 4711), None);
    }
}
