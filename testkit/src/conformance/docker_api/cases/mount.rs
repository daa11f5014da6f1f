//! What is mounted into a container.

use crate::conformance::docker_api::prelude::*;

/// The mount as a bind string.
fn relabelled(mut mount: Mount) -> Mount {
    mount.relabel = Some(Relabel::Shared);
    mount
}

behaviours! {
    two_mounts_with_one_destination_are_rejected_and_the_first_volume_stays(subject)
    sees ["rejected", "rejected", "rejected", "mount {}", "not found"]; {
        let mut all = Seen::new();
        for again in ["/c", "/c/", "/d/../c"] {
            let mut request = subject.job("job", Program::Exits3);
            request.mounts = vec![subject.mount("first", "/c"), subject.mount("second", again)];
            all.push(done(subject.engine.create_container(&request).await.map(|_| ())));
        }
        for volume in ["first", "second"] {
            all.push(note(subject.engine.inspect_volume(&subject.volume_name(volume)).await));
        }
        all
    }

    a_destination_that_is_relative_or_the_root_is_rejected(subject)
    sees ["rejected", "rejected", "rejected", "rejected", "rejected", "not found"]; {
        let mut all = Seen::new();
        for destination in ["c", "", "/", "/.", "/c/.."] {
            let mut request = subject.job("job", Program::Exits3);
            request.mounts = vec![subject.mount("cache", destination)];
            all.push(done(subject.engine.create_container(&request).await.map(|_| ())));
        }
        all.push(note(subject.engine.inspect_volume(&subject.volume_name("cache")).await));
        all
    }

    a_vanished_volume_comes_back_with_the_mounts_labels(subject)
    sees ["mount {}"]; {
        subject.engine.create_volume(&subject.volume("cache", "first")).await.unwrap();
        subject.engine.remove_volume(&subject.volume_name("cache")).await.unwrap();
        let mut request = subject.job("job", Program::Exits3);
        request.mounts.push(subject.mount("cache", "/cache"));
        subject.create(&request).await;
        vec![note(subject.engine.inspect_volume(&subject.volume_name("cache")).await)]
    }

    a_mount_leaves_the_labels_of_a_volume_that_is_there(subject)
    sees ["first {}"]; {
        subject.engine.create_volume(&subject.volume("cache", "first")).await.unwrap();
        let mut request = subject.job("job", Program::Exits3);
        request.mounts.push(subject.mount("cache", "/cache"));
        subject.create(&request).await;
        vec![note(subject.engine.inspect_volume(&subject.volume_name("cache")).await)]
    }

    a_vanished_volume_comes_back_with_the_mounts_driver_and_options(subject)
    sees ["mount {\"device\": \"tmpfs\", \"type\": \"tmpfs\"}", "rejected", "not found", "not found"]; {
        let mut all = Seen::new();
        for (volume, with_driver, with_options) in [
            ("options", None, [("type", "tmpfs"), ("device", "tmpfs")]),
            ("bad", Some("local"), [("type", "tmpfs"), ("colour", "red")]),
            ("unknown", Some("berth-test-absent"), [("type", "tmpfs"), ("device", "tmpfs")]),
        ] {
            let mut request = subject.job(volume, Program::Exits3);
            let mut mount = subject.mount(volume, "/cache");
            if let MountSource::Volume { driver, options, .. } = &mut mount.source {
                *driver = with_driver.map(str::to_owned);
                *options = with_options.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            }
            request.mounts.push(mount);
            match subject.engine.create_container(&request).await {
                Ok(_) => all.push(note(subject.engine.inspect_volume(&subject.volume_name(volume)).await)),
                Err(error) => all.push(seen(Err::<String, _>(error))),
            }
        }
        all.push(note(subject.engine.inspect_volume(&subject.volume_name("bad")).await));
        all
    }

    a_mount_leaves_the_options_of_a_volume_that_is_there(subject)
    sees ["ok", "first {}"]; {
        subject.engine.create_volume(&subject.volume("cache", "first")).await.unwrap();
        let mut request = subject.job("job", Program::Exits3);
        let mut mount = subject.mount("cache", "/cache");
        if let MountSource::Volume { driver, options, .. } = &mut mount.source {
            *driver = Some("local".to_owned());
            *options = [("type".to_owned(), "tmpfs".to_owned())].into();
        }
        request.mounts.push(mount);
        let created = done(subject.engine.create_container(&request).await.map(|_| ()));
        vec![created, note(subject.engine.inspect_volume(&subject.volume_name("cache")).await)]
    }

    a_volume_of_a_bind_string_comes_back_without_labels(subject)
    sees ["ok", "0", "ok"]; {
        let mut request = subject.job("job", Program::Exits3);
        request.mounts.push(relabelled(subject.mount("cache", "/cache")));
        let created = subject.engine.create_container(&request).await;
        let name = subject.volume_name("cache");
        let labels = subject.engine.inspect_volume(&name).await.map(|volume| volume.labels.len());
        // Without labels it is not found again: it must go here.
        if let Ok(created) = &created {
            subject.engine.remove_container(&created.id).await.unwrap();
        }
        let removed = subject.engine.remove_volume(&name).await;
        vec![done(created.map(|_| ())), seen(labels.map(|count| count.to_string())), done(removed)]
    }

    what_is_odd_about_a_bind_string_is_the_engines_error(subject)
    sees ["engine error 500: invalid mode: ro,nocopy,O", "engine error 500: invalid mode: nocopy,z,O",
        "engine error 500: invalid volume specification: 'NAME:c:nocopy,z': invalid mount config for type \"volume\": invalid mount path: 'c' mount path must be absolute",
        "engine error 500: invalid volume specification: 'NAME:/:nocopy,z': invalid mount config for type \"volume\": invalid specification: destination can't be '/'",
        "engine error 500: invalid volume specification: 'NAME::nocopy,z': invalid mount config for type \"volume\": field Target must not be empty",
        "not found: get NAME: no such volume"]; {
        let mut all = Seen::new();
        for (destination, overlay, read_only, relabel) in [
            ("/c", true, true, None),
            ("/c", true, false, Some(Relabel::Shared)),
            ("c", false, false, Some(Relabel::Shared)),
            ("/", false, false, Some(Relabel::Shared)),
            ("", false, false, Some(Relabel::Shared)),
        ] {
            let mut request = subject.job("job", Program::Exits3);
            let mut mount = subject.mount("cache", destination);
            (mount.overlay, mount.read_only, mount.relabel) = (overlay, read_only, relabel);
            request.mounts.push(mount);
            all.push(subject.words(subject.engine.create_container(&request).await.map(|_| ())));
        }
        all.push(subject.words(subject.engine.inspect_volume(&subject.volume_name("cache")).await.map(drop)));
        all
    }

    bind_strings_come_before_mounts(subject)
    sees ["rejected: Duplicate mount point: /c", "not found: get NAME: no such volume", "ok"]; {
        let mut request = subject.job("job", Program::Exits3);
        request.mounts = vec![subject.mount("cache", "/c"), relabelled(subject.mount("second", "/c/"))];
        let created = subject.words(subject.engine.create_container(&request).await.map(|_| ()));
        let first = subject.words(subject.engine.inspect_volume(&subject.volume_name("cache")).await.map(drop));
        vec![created, first, done(subject.engine.remove_volume(&subject.volume_name("second")).await)]
    }

    a_path_of_the_host_that_is_missing_is_rejected_unless_it_is_to_be_made(subject)
    sees ["rejected: invalid mount config for type \"bind\": bind source path does not exist: /berth-test-absent",
        "ok", "rejected"]; {
        let path = "/berth-test-absent";
        if let Some(fake) = &subject.fake {
            let _ = fake.clone().without_host_path(path);
        }
        let mut all = Seen::new();
        // Never started: the engine makes the folder only then.
        for (path, create) in [(path, false), (path, true), ("relative", true)] {
            let mut request = subject.job("job", Program::Exits3);
            let source = MountSource::Host { path: path.to_owned(), propagation: None, create };
            request.mounts = vec![Mount::new("/c", source)];
            let created = subject.engine.create_container(&request).await.map(|_| ());
            all.push(if create { done(created) } else { subject.words(created) });
        }
        if subject.fake.is_none() {
            // Podman makes it when it makes the container; the next run must find it missing.
            let _ = std::fs::remove_dir(path);
        }
        all
    }

    propagation_and_consistency_are_accepted_as_mount_and_as_bind_string(subject)
    sees ["ok", "ok", "ok"]; {
        let mut all = Seen::new();
        for (number, create) in [false, true].into_iter().enumerate() {
            let mut request = subject.job(&format!("job{number}"), Program::Exits3);
            let propagation = Some(Propagation::RecursivePrivate);
            let source = MountSource::Host { path: "/tmp".to_owned(), propagation, create };
            request.mounts.push(Mount::new("/c", source));
            request.mounts[0].consistency = Some(Consistency::Cached);
            let id = subject.create(&request).await;
            all.push(done(subject.engine.start_container(&id).await));
        }
        let mut request = subject.job("volume", Program::Exits3);
        request.mounts.push(subject.mount("cache", "/cache"));
        request.mounts[0].consistency = Some(Consistency::Delegated);
        all.push(done(subject.engine.create_container(&request).await.map(|_| ())));
        all
    }

    an_inspection_shows_name_and_mounts(subject)
    sees ["true", "Host - \"/tmp\" /a false", "Volume cache true /c true", "Host - \"/tmp\" /d true"]; {
        let mut request = subject.job("job", Program::Exits3);
        for (destination, create) in [("/a", false), ("/d/", true)] {
            let source = MountSource::Host { path: "/tmp/".to_owned(), propagation: None, create };
            request.mounts.push(Mount::new(destination, source));
        }
        request.mounts.push(subject.mount("cache", "/b/../c"));
        (request.mounts[1].read_only, request.mounts[2].read_only) = (true, true);
        let id = subject.create(&request).await;
        let details = subject.engine.inspect_container(&id).await.unwrap();
        let volume = subject.engine.inspect_volume(&subject.volume_name("cache")).await.unwrap();
        let mut all = vec![(details.name == request.name.as_str()).to_string()];
        all.extend(details.mounts.iter().map(|point| {
            let (name, source) = match &point.name {
                Some(name) => {
                    assert_eq!(*name, volume.name);
                    ("cache", (point.source == volume.mountpoint).to_string())
                }
                None => ("-", format!("{:?}", point.source)),
            };
            format!("{:?} {name} {source} {} {}", point.kind, point.destination, point.read_only)
        }));
        all
    }

    a_pipe_is_rejected_on_linux(subject)
    sees ["rejected: invalid mount config for type \"npipe\": mount type unknown"]; {
        let mut request = subject.job("job", Program::Exits3);
        let source = MountSource::Pipe { path: r"\\.\pipe\engine".to_owned() };
        request.mounts = vec![Mount::new("/c", source)];
        vec![subject.words(subject.engine.create_container(&request).await.map(|_| ()))]
    }
}
