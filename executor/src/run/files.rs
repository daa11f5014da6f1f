//! Variables that are files: put into a container before it starts.

use std::collections::BTreeMap;

use bytes::Bytes;
use docker_api_trait::{ContainerId, DockerApi};

use crate::{
    error::PrepareError,
    plan::{JobPlan, Secret},
};

/// Puts the files into [`JobPlan::FILES`], readable by every user. Nothing is sent when
/// there are none.
pub(crate) async fn put(
    docker: &dyn DockerApi,
    container: &ContainerId,
    files: &BTreeMap<String, Secret>,
) -> Result<(), PrepareError> {
    if files.is_empty() {
        return Ok(());
    }
    let archive = archive(files);
    Ok(docker.upload_archive(container, "/", archive).await?)
}

fn archive(files: &BTreeMap<String, Secret>) -> Bytes {
    let folder = JobPlan::FILES.trim_start_matches('/');
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = header(0o755, 0);
    header.set_entry_type(tar::EntryType::Directory);
    // Writing to memory cannot fail, and the names are short and clean.
    let _ = archive.append_data(&mut header, format!("{folder}/"), std::io::empty());
    for (name, content) in files {
        let mut header = self::header(0o444, content.0.len() as u64);
        let path = format!("{folder}/{name}");
        let _ = archive.append_data(&mut header, path, content.0.as_bytes());
    }
    archive.into_inner().unwrap_or_default().into()
}

/// Something of root's. A number that is left out is not read as 0 by everybody.
fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn each_file_is_in_the_folder_with_its_content() {
        let files = BTreeMap::from([("KEY".to_owned(), Secret("s3cret".to_owned()))]);
        let bytes = archive(&files);
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                let mode = entry.header().mode().unwrap();
                assert_eq!(
                    (entry.header().uid().unwrap(), entry.header().mtime().unwrap()),
                    (0, 0)
                );
                (entry.path().unwrap().display().to_string(), mode, text)
            })
            .collect();
        assert_eq!(
            entries,
            [
                (".berth/".to_owned(), 0o755, String::new()),
                (".berth/KEY".to_owned(), 0o444, "s3cret".to_owned()),
            ]
        );
    }
}
