//! What an engine leaves outside of its namespaces, and whether anything is left.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folders of a control group, in each hierarchy (version 1) or in the only one (version 2).
fn groups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    hierarchies
        .chain([root.to_owned()])
        .map(|folder| folder.join(name))
        .filter(|path| path.is_dir())
        .collect()
}

/// Removes a control group and those in it. Their files cannot be removed and go with them.
fn remove_group(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_group(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

/// One attempt to remove everything; what is left, in words.
pub(super) fn sweep(folder: &Path, group: &str) -> Vec<String> {
    let mut left = Vec::new();
    for group in groups(group) {
        if let Err(error) = remove_group(&group) {
            left.push(format!("control group {}: {error}", group.display()));
        }
    }
    left.extend(processes(folder));
    left.extend(mounts(folder));
    // Never through a mount that is still there.
    if left.is_empty()
        && let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        left.push(format!("folder {}: {error}", folder.display()));
    }
    left
}

/// Processes that name the folder in their command line: the daemon, containerd and the shims.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.as_os_str().as_encoded_bytes();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = entries.filter_map(|entry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let names_it = line.windows(folder.len()).any(|part| part == folder);
        names_it.then(|| format!("process {process}"))
    });
    lines.collect()
}

fn mounts(folder: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let ours = places.filter(|place| Path::new(place).starts_with(folder));
    ours.map(|place| format!("mount {place}")).collect()
}
