//! Volumes.

use super::*;

behaviours! {
    creating_a_volume_again_returns_the_first_one(lab)
    sees ["first {}", "first {}", "first {}"]; {
        let first = lab.engine.create_volume(&lab.volume("cache", "first")).await;
        let mut second = lab.volume("cache", "second");
        second.options = [("colour".to_owned(), "red".to_owned())].into();
        let again = lab.engine.create_volume(&second).await;
        let found = lab.engine.inspect_volume(&lab.volume_name("cache")).await;
        [first, again, found].map(note).into()
    }

    a_volumes_mount_point_is_where_the_local_driver_puts_it(lab)
    sees ["local local true"]; {
        let volume = lab.engine.create_volume(&lab.volume("cache", "")).await.unwrap();
        let folder = format!("/volumes/{}/_data", volume.name);
        vec![format!("{} {} {}", volume.driver, volume.scope, volume.mountpoint.ends_with(&folder))]
    }

    options_that_the_local_driver_cannot_use_are_rejected(lab)
    sees ["rejected", "rejected", "rejected", " {\"device\": \"tmpfs\", \"o\": \"uid=1\", \"type\": \"tmpfs\"}"]; {
        let mut all = Seen::new();
        for options in [
            &[("colour", "red")][..],
            &[("type", "tmpfs")],
            &[("o", "uid=1"), ("type", "tmpfs")],
            &[("o", "uid=1"), ("type", "tmpfs"), ("device", "tmpfs")],
        ] {
            let mut request = lab.volume("cache", "");
            let option = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            request.options = options.iter().map(option).collect();
            all.push(note(lab.engine.create_volume(&request).await));
        }
        all
    }

    a_volume_is_in_use_by_a_container_in_every_state(lab)
    sees ["conflict", "conflict", "conflict", "ok"]; {
        let mut request = lab.job("job", Program::Sleeps);
        request.mounts.push(lab.mount("cache", "/cache"));
        let id = lab.create(&request).await;
        let volume = lab.volume_name("cache");
        let created = lab.engine.remove_volume(&volume).await;
        lab.engine.start_container(&id).await.unwrap();
        let running = lab.engine.remove_volume(&volume).await;
        lab.engine.stop_container(&id, GRACE).await.unwrap();
        let exited = lab.engine.remove_volume(&volume).await;
        lab.engine.remove_container(&id).await.unwrap();
        let free = lab.engine.remove_volume(&volume).await;
        [created, running, exited, free].map(done).into()
    }

    removing_a_volume_twice_is_not_found(lab)
    sees ["ok", "not found", "not found"]; {
        lab.engine.create_volume(&lab.volume("cache", "")).await.unwrap();
        let name = lab.volume_name("cache");
        let mut all = vec![
            done(lab.engine.remove_volume(&name).await),
            done(lab.engine.remove_volume(&name).await),
        ];
        all.push(note(lab.engine.inspect_volume(&name).await));
        all
    }

    volumes_are_listed_by_all_labels_and_by_name(lab)
    sees ["ant", "bee", "zebra", "none"]; {
        for hint in ["zebra", "ant", "bee"] {
            lab.engine.create_volume(&lab.volume(hint, hint)).await.unwrap();
        }
        let mut filter = lab.filter().to_vec();
        let listed = lab.engine.list_volumes(&filter).await.unwrap();
        filter.push(LabelFilter::equals("dev.berth.note", "wolf"));
        let none = lab.engine.list_volumes(&filter).await.unwrap();
        let mut all: Seen =
            listed.into_iter().map(|mut volume| volume.labels.remove("dev.berth.note").unwrap()).collect();
        all.push(if none.is_empty() { "none" } else { "some" }.to_owned());
        all
    }
}
