//! Archives that come in pieces.

use futures_util::{TryStreamExt as _, stream};
use tokio::time::{Instant, sleep};

use crate::conformance::docker_api::prelude::*;

/// An archive of files in the folder `cache`.
fn files(names: &[&str]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(name.len() as u64);
        archive.append_data(&mut header, format!("cache/{name}"), name.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

behaviours! {
    an_archive_in_pieces_is_unpacked_as_one(subject)
    sees ["ok", "one 3", "two 3", "not found"]; {
        let mut request = subject.job("job", Program::Exits3);
        request.mounts.push(subject.mount("cache", "/cache"));
        let id = subject.create(&request).await;
        let pieces: Vec<_> = files(&["one", "two"])
            .chunks(300)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let archive = stream::iter(pieces).boxed();
        let mut all = vec![done(subject.engine.upload_archive_stream(&id, "/", archive).await)];
        for name in ["one", "two", "three"] {
            all.push(subject.file(&id, name).await);
        }
        all
    }

    of_an_archive_that_breaks_off_the_beginning_takes_effect(subject)
    sees ["lost", "one 3", "not found"]; {
        let mut request = subject.job("job", Program::Exits3);
        request.mounts.push(subject.mount("cache", "/cache"));
        let id = subject.create(&request).await;
        // The first file, which is a block of header and one of content, and half of the next.
        let begin = Bytes::copy_from_slice(&files(&["one", "two"])[..1024 + 256]);
        let broken = ApiError::from_status(docker_api_trait::Operation::DownloadArchive, 500, "x");
        let pause = async {
            sleep(Duration::from_millis(500)).await;
            Err(broken)
        };
        let archive = stream::iter([Ok(begin)]).chain(stream::once(pause)).boxed();
        let mut all = vec![done(subject.engine.upload_archive_stream(&id, "/", archive).await)];
        // The engine notices after us. Podman puts it elsewhere.
        subject.engine.version().await.unwrap();
        let reaches = subject.engine.capabilities().archives_reach_volumes;
        let deadline = Instant::now() + if reaches { LONG } else { NEVER };
        let one = loop {
            let one = subject.file(&id, "one").await;
            if one != "not found" || Instant::now() >= deadline {
                break one;
            }
            sleep(Duration::from_millis(50)).await;
        };
        all.extend([one, subject.file(&id, "two").await]);
        all
    }
}

impl Subject {
    /// A file in the folder `cache`, by its name and size.
    async fn file(&self, id: &ContainerId, name: &str) -> String {
        let pieces = match self.engine.download_archive(id, &format!("/cache/{name}")).await {
            Ok(pieces) => pieces.try_collect::<Vec<Bytes>>().await.unwrap(),
            Err(error) => return seen(Err::<String, _>(error)),
        };
        let archive = pieces.concat();
        let mut archive = tar::Archive::new(&archive[..]);
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        format!("{} {}", entry.path().unwrap().display(), entry.size())
    }
}
