//! An archive of a stranger's: whatever it says, nothing outside the folder is touched.

#![no_main]

use std::{fs, io, path::Path};

use bytes::Bytes;
use executor::workspace::{ArtifactLimits, Artifacts};
use futures_util::stream;
use libfuzzer_sys::fuzz_target;

/// Mends the checksums of what may be headers, or hardly any input would be read.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut archive = data.to_vec();
    for header in archive.chunks_exact_mut(512) {
        if header[257..262] == *b"ustar" {
            header[148..156].copy_from_slice(b"        ");
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    archive
}

fn assert_inside(folder: &Path, top: &Path) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let kind = fs::symlink_metadata(&path).expect("an entry").file_type();
        if kind.is_dir() {
            assert_inside(&path, top);
        } else if kind.is_symlink() {
            if let Ok(target) = path.canonicalize() {
                assert!(target.starts_with(top), "{} leads out", path.display());
            }
        } else {
            assert!(kind.is_file(), "{} is special", path.display());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let world = tempfile::tempdir().expect("a folder");
    let root = world.path();
    fs::create_dir(root.join("out")).expect("a folder");
    fs::write(root.join("canary"), "canary").expect("a file");
    let mut archive = with_checksums(data);
    archive.extend_from_slice(&[0; 1024]);
    let pieces: Vec<io::Result<Bytes>> =
        archive.chunks(700).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let artifacts = Artifacts::new(["**"]).expect("a pattern");
    let artifacts = artifacts.limits(ArtifactLimits { bytes: 1 << 20, entries: 100 });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _ = runtime.block_on(artifacts.unpack(stream::iter(pieces), root.join("out")));
    let mut beside: Vec<_> =
        fs::read_dir(root).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    beside.sort();
    assert_eq!(beside, ["canary", "out"]);
    assert_eq!(fs::read(root.join("canary")).expect("a file"), b"canary");
    let top = root.join("out").canonicalize().expect("a folder");
    assert_inside(&top, &top);
});
