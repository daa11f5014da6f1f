//! The root file system of the test image: one static busybox, its applets, two users.

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

/// Where the user `worker` is at home; tests use it as an ordinary user.
const WORKER: u64 = 1000;

/// Folders with mode and owner, parents first.
const FOLDERS: [(&str, u32, u64); 11] = [
    ("bin", 0o755, 0),
    ("dev", 0o755, 0),
    ("etc", 0o755, 0),
    ("home", 0o755, 0),
    ("home/worker", 0o755, WORKER),
    ("proc", 0o755, 0),
    ("root", 0o700, 0),
    ("sys", 0o755, 0),
    ("tmp", 0o1777, 0),
    ("var", 0o755, 0),
    ("var/tmp", 0o1777, 0),
];

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
worker:x:1000:1000:worker:/home/worker:/bin/sh
";

const GROUP: &str = "\
root:x:0:
worker:x:1000:
";

/// Packs the file system into a tar archive. `applets` is what `busybox --list` prints.
///
/// # Errors
/// When a path is too long for an archive.
pub fn archive(busybox: &[u8], applets: &str) -> Result<Vec<u8>> {
    pack(busybox, applets).context("could not pack the root file system")
}

fn pack(busybox: &[u8], applets: &str) -> Result<Vec<u8>, std::io::Error> {
    let mut archive = Builder::new(Vec::new());
    for (folder, mode, owner) in FOLDERS {
        let mut header = header(EntryType::Directory, mode, owner);
        archive.append_data(&mut header, format!("{folder}/"), std::io::empty())?;
    }
    for (file, mode, content) in [
        ("bin/busybox", 0o755, busybox),
        ("etc/passwd", 0o644, PASSWD.as_bytes()),
        ("etc/group", 0o644, GROUP.as_bytes()),
    ] {
        let mut header = header(EntryType::Regular, mode, 0);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, file, content)?;
    }
    for applet in applets.lines().map(str::trim).filter(|applet| is_link(applet)) {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        archive.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    archive.into_inner()
}

/// Busybox lists itself too; a link of that name would replace the program.
fn is_link(applet: &str) -> bool {
    !applet.is_empty() && applet != "busybox" && !applet.contains('/')
}

/// No times: the same content gives the same archive.
pub fn header(kind: EntryType, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn entries() -> BTreeMap<String, Header> {
        let bytes = archive(b"program", "[\nbusybox\nls\nsh\n\nsbin/odd\n").unwrap();
        tar::Archive::new(&*bytes)
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().display().to_string(), entry.header().clone())
            })
            .collect()
    }

    #[test]
    fn each_applet_is_a_link_to_busybox_and_busybox_is_not() {
        let entries = entries();
        for applet in ["bin/[", "bin/ls", "bin/sh"] {
            let link = entries[applet].link_name().unwrap().unwrap().into_owned();
            assert_eq!(link.to_str(), Some("busybox"), "{applet}");
        }
        assert_eq!(entries["bin/busybox"].entry_type(), EntryType::Regular);
        assert_eq!(entries["bin/busybox"].mode().unwrap(), 0o755);
        assert!(!entries.keys().any(|path| path.contains("odd")));
    }

    #[test]
    fn everyone_may_write_to_tmp_and_the_worker_to_its_home() {
        let entries = entries();
        assert_eq!(entries["tmp/"].mode().unwrap(), 0o1777);
        assert_eq!(entries["home/worker/"].uid().unwrap(), WORKER);
        assert_eq!(entries["root/"].uid().unwrap(), 0);
    }

    #[test]
    fn the_same_busybox_gives_the_same_archive() {
        assert_eq!(archive(b"program", "sh").unwrap(), archive(b"program", "sh").unwrap());
    }
}
