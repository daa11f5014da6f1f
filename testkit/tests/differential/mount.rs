//! What is mounted into a container.

use super::*;

behaviours! {
    two_mounts_with_one_destination_are_rejected_and_the_first_volume_stays(lab)
    sees ["rejected", "rejected", "rejected", "mount {}", "not found"]; {
        let mut all = Seen::new();
        for again in ["/c", "/c/", "/d/../c"] {
            let mut request = lab.job("job", Program::Exits3);
            request.mounts = vec![lab.mount("first", "/c"), lab.mount("second", again)];
            all.push(done(lab.engine.create_container(&request).await.map(|_| ())));
        }
        for volume in ["first", "second"] {
            all.push(note(lab.engine.inspect_volume(&lab.volume_name(volume)).await));
        }
        all
    }

    a_destination_that_is_relative_or_the_root_is_rejected(lab)
    sees ["rejected", "rejected", "rejected", "rejected", "rejected", "not found"]; {
        let mut all = Seen::new();
        for destination in ["c", "", "/", "/.", "/c/.."] {
            let mut request = lab.job("job", Program::Exits3);
            request.mounts = vec![lab.mount("cache", destination)];
            all.push(done(lab.engine.create_container(&request).await.map(|_| ())));
        }
        all.push(note(lab.engine.inspect_volume(&lab.volume_name("cache")).await));
        all
    }

    a_vanished_volume_comes_back_with_the_mounts_labels(lab)
    sees ["mount {}"]; {
        lab.engine.create_volume(&lab.volume("cache", "first")).await.unwrap();
        lab.engine.remove_volume(&lab.volume_name("cache")).await.unwrap();
        let mut request = lab.job("job", Program::Exits3);
        request.mounts.push(lab.mount("cache", "/cache"));
        lab.create(&request).await;
        vec![note(lab.engine.inspect_volume(&lab.volume_name("cache")).await)]
    }

    a_mount_leaves_the_labels_of_a_volume_that_is_there(lab)
    sees ["first {}"]; {
        lab.engine.create_volume(&lab.volume("cache", "first")).await.unwrap();
        let mut request = lab.job("job", Program::Exits3);
        request.mounts.push(lab.mount("cache", "/cache"));
        lab.create(&request).await;
        vec![note(lab.engine.inspect_volume(&lab.volume_name("cache")).await)]
    }
}
