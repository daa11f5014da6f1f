//! Volumes.

use crate::conformance::docker_api::prelude::*;

behaviours! {
    creating_a_volume_again_returns_the_first_one(subject)
    sees ["first {}", "first {}", "first {}"]; {
        let first = subject.engine.create_volume(&subject.volume("cache", "first")).await;
        let mut second = subject.volume("cache", "second");
        second.options = [("colour".to_owned(), "red".to_owned())].into();
        let again = subject.engine.create_volume(&second).await;
        let found = subject.engine.inspect_volume(&subject.volume_name("cache")).await;
        [first, again, found].map(note).into()
    }

    a_volumes_mount_point_is_where_the_local_driver_puts_it(subject)
    sees ["local local true"]; {
        let volume = subject.engine.create_volume(&subject.volume("cache", "")).await.unwrap();
        let folder = format!("/volumes/{}/_data", volume.name);
        vec![format!("{} {} {}", volume.driver, volume.scope, volume.mountpoint.ends_with(&folder))]
    }

    options_that_the_local_driver_cannot_use_are_rejected(subject)
    sees ["rejected", "rejected", "rejected", " {\"device\": \"tmpfs\", \"o\": \"uid=1\", \"type\": \"tmpfs\"}"]; {
        let mut all = Seen::new();
        for options in [
            &[("colour", "red")][..],
            &[("type", "tmpfs")],
            &[("o", "uid=1"), ("type", "tmpfs")],
            &[("o", "uid=1"), ("type", "tmpfs"), ("device", "tmpfs")],
        ] {
            let mut request = subject.volume("cache", "");
            let option = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            request.options = options.iter().map(option).collect();
            all.push(note(subject.engine.create_volume(&request).await));
        }
        all
    }

    a_volume_is_in_use_by_a_container_in_every_state(subject)
    sees ["conflict", "conflict", "conflict", "ok"]; {
        let mut request = subject.job("job", Program::Sleeps);
        request.mounts.push(subject.mount("cache", "/cache"));
        let id = subject.create(&request).await;
        let volume = subject.volume_name("cache");
        let created = subject.engine.remove_volume(&volume).await;
        subject.engine.start_container(&id).await.unwrap();
        let running = subject.engine.remove_volume(&volume).await;
        subject.engine.stop_container(&id, GRACE).await.unwrap();
        let exited = subject.engine.remove_volume(&volume).await;
        subject.engine.remove_container(&id).await.unwrap();
        let free = subject.engine.remove_volume(&volume).await;
        [created, running, exited, free].map(done).into()
    }

    removing_a_volume_twice_is_not_found(subject)
    sees ["ok", "not found", "not found"]; {
        subject.engine.create_volume(&subject.volume("cache", "")).await.unwrap();
        let name = subject.volume_name("cache");
        let mut all = vec![
            done(subject.engine.remove_volume(&name).await),
            done(subject.engine.remove_volume(&name).await),
        ];
        all.push(note(subject.engine.inspect_volume(&name).await));
        all
    }

    volumes_are_listed_by_all_labels_and_by_name(subject)
    sees ["ant", "bee", "zebra", "none"]; {
        for hint in ["zebra", "ant", "bee"] {
            subject.engine.create_volume(&subject.volume(hint, hint)).await.unwrap();
        }
        let mut filter = subject.filter().to_vec();
        let listed = subject.engine.list_volumes(&filter).await.unwrap();
        filter.push(LabelFilter::equals("dev.berth.note", "wolf"));
        let none = subject.engine.list_volumes(&filter).await.unwrap();
        let mut all: Seen =
            listed.into_iter().map(|mut volume| volume.labels.remove("dev.berth.note").unwrap()).collect();
        all.push(if none.is_empty() { "none" } else { "some" }.to_owned());
        all
    }

    a_volume_of_another_driver_has_its_name_for_itself(subject)
    sees ["ok", "not found", "first {}"]; {
        let mut request = subject.volume("cache", "first");
        let mut all = vec![done(subject.engine.create_volume(&request).await.map(drop))];
        request.driver = Some("no-such-driver".to_owned());
        all.push(done(subject.engine.create_volume(&request).await.map(drop)));
        all.push(note(subject.engine.inspect_volume(&subject.volume_name("cache")).await));
        all
    }

    names_of_255_bytes_are_names(subject)
    sees ["ok", "255", "ok", "ok"]; {
        // One byte more, and the type refuses it: the engine would answer 500, as no file system
        // has a folder of that name.
        let name = format!("{:x<255}", subject.name("long"));
        assert!(VolumeName::new(format!("{name}x")).is_err());
        let request = VolumeRequest::new(name.parse().unwrap()).with_labels(subject.labels("long"));
        let created = subject.engine.create_volume(&request).await;
        let length = created.as_ref().map(|volume| volume.name.len().to_string());
        let length = length.unwrap_or_else(ToString::to_string);
        let found = subject.engine.inspect_volume(&request.name).await.map(drop);
        let removed = subject.engine.remove_volume(&request.name).await;
        vec![done(created.map(drop)), length, done(found), done(removed)]
    }

    a_label_may_hold_any_text(subject)
    sees ["true"]; {
        let mut request = subject.volume("cache", "");
        for (key, value) in [("a b", "\u{1}\n"), ("日本", ""), ("=", "="), ("k", "\u{202e}")] {
            request.labels.insert(key.to_owned(), value.to_owned());
        }
        let volume = subject.engine.create_volume(&request).await.unwrap();
        vec![(volume.labels == request.labels).to_string()]
    }

    lists_are_filtered_by_presence_value_and_all_of_several(subject)
    sees ["both", "both one", "both one two", ""]; {
        let key = |name: &str| format!("dev.berth.test-{name}");
        for (hint, labels) in
            [("one", &["a"][..]), ("two", &["b"]), ("both", &["a", "b"])]
        {
            let mut request = subject.volume(hint, hint);
            for label in labels {
                request.labels.insert(key(label), "yes".to_owned());
            }
            subject.engine.create_volume(&request).await.unwrap();
        }
        let mut all = Seen::new();
        for more in [
            vec![LabelFilter::present(key("a")), LabelFilter::equals(key("b"), "yes")],
            vec![LabelFilter::equals(key("a"), "yes")],
            vec![],
            vec![LabelFilter::equals(key("a"), "ye")],
        ] {
            let filter: Vec<_> = subject.filter().into_iter().chain(more).collect();
            let listed = subject.engine.list_volumes(&filter).await.unwrap();
            let notes = listed.iter().map(|volume| volume.labels["dev.berth.note"].as_str());
            all.push(notes.collect::<Vec<_>>().join(" "));
        }
        all
    }

    pruning_takes_named_volumes_that_nothing_uses_and_that_have_the_labels(subject)
    sees ["free", "other used", ""]; {
        let mut request = subject.job("job", Program::Sleeps);
        request.mounts.push(subject.mount("used", "/cache"));
        let id = subject.create(&request).await;
        subject.engine.create_volume(&subject.volume("free", "pruned")).await.unwrap();
        subject.engine.create_volume(&subject.volume("other", "other")).await.unwrap();
        let hint = |name: &str| name.rsplit('-').next().unwrap().to_owned();
        // Never without a label: the engine may be somebody's.
        let mut filter = subject.filter().to_vec();
        filter.push(LabelFilter::equals("dev.berth.note", "pruned"));
        let pruned = subject.engine.prune_volumes(&filter).await.unwrap();
        let left = subject.engine.list_volumes(&subject.filter()).await.unwrap();
        let mut filter = subject.filter().to_vec();
        filter.push(LabelFilter::equals("dev.berth.note", "mount"));
        let in_use = subject.engine.prune_volumes(&filter).await.unwrap();
        subject.engine.remove_container(&id).await.unwrap();
        [
            pruned.iter().map(|name| hint(name)).collect::<Vec<_>>(),
            left.iter().map(|volume| hint(&volume.name)).collect(),
            in_use,
        ]
        .map(|names| names.join(" "))
        .into()
    }

    disk_usage_knows_sizes_and_references(subject)
    sees ["5 bytes, 1 references"]; {
        let mut request = subject.job("job", Program::Sleeps);
        request.mounts.push(subject.mount("cache", "/cache"));
        let id = subject.create(&request).await;
        subject.engine.upload_archive(&id, "/cache", archive_of("file", b"12345")).await.unwrap();
        let usage = subject.engine.disk_usage().await.unwrap();
        let name = subject.name("cache");
        let volume = usage.into_iter().find(|volume| volume.name == name).unwrap();
        vec![format!("{} bytes, {} references", volume.bytes.unwrap(), volume.references.unwrap())]
    }

    a_fresh_volumes_root_is_closed_and_a_header_opens_it(subject)
    sees [
        "Folder 755", "cache/ 0:0 40755", "ok", "Folder 777", "cache/ 1000:7 40777",
        "engine error 5xx", "not found", "not found",
    ]; {
        let mut request = subject.job("job", Program::Sleeps);
        let mut mount = subject.mount("closed", "/closed");
        mount.read_only = true;
        request.mounts = vec![subject.mount("cache", "/srv/cache"), mount];
        let id = subject.create(&request).await;
        let look = async || {
            let details = subject.engine.inspect_path(&id, "/srv/cache").await.unwrap();
            format!("{:?} {:o}", details.kind, details.mode)
        };
        let before = look().await;
        let fresh = first_header(subject, &id, "/srv/cache").await;
        let opened = subject.engine.upload_archive(&id, "/", folder_of("srv/cache", 1000, 7)).await;
        let after = look().await;
        let open = first_header(subject, &id, "/srv/cache").await;
        let closed = subject.engine.upload_archive(&id, "/", folder_of("closed", 0, 0)).await;
        let nowhere = subject.engine.download_archive(&id, "/nowhere").await.map(drop);
        let unseen = subject.engine.inspect_path(&id, "/nowhere").await.map(drop);
        vec![before, fresh, done(opened), after, open, done(closed), done(nowhere), done(unseen)]
    }
}

fn archive_of(path: &str, content: &[u8]) -> Bytes {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    packed(header, path, content)
}

fn folder_of(path: &str, uid: u64, gid: u64) -> Bytes {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o777);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_size(0);
    packed(header, path, &[])
}

fn packed(mut header: tar::Header, path: &str, content: &[u8]) -> Bytes {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, path, content).unwrap();
    archive.into_inner().unwrap().into()
}

/// Path, owner and mode of the first header of what is packed at `path`.
async fn first_header(subject: &Subject, id: &ContainerId, path: &str) -> String {
    let pieces = subject.engine.download_archive(id, path).await.unwrap();
    let archive = pieces.map(Result::unwrap).collect::<Vec<_>>().await.concat();
    let mut archive = tar::Archive::new(&archive[..]);
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    let header = entry.header();
    format!(
        "{} {}:{} {:o}",
        String::from_utf8_lossy(&entry.path_bytes()),
        header.uid().unwrap(),
        header.gid().unwrap(),
        header.mode().unwrap()
    )
}
