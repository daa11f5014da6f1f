//! Images, and containers as objects.

use super::*;

behaviours! {
    an_image_that_is_missing_is_not_found(lab)
    sees ["not found", "not found", "not found"]; {
        let mut request = lab.job("job", Program::Exits3);
        let absent: ImageReference = "berth-test-absent:none".parse().unwrap();
        request.image = absent.clone();
        let created = lab.engine.create_container(&request).await.map(|_| ());
        let inspected = lab.engine.inspect_image(&absent).await.map(|_| ());
        lab.create(&lab.job("job", Program::Exits3)).await;
        // The image is looked for before the name.
        let clash = lab.engine.create_container(&request).await.map(|_| ());
        [created, inspected, clash].map(done).into()
    }

    an_image_is_found_by_name_and_id(lab)
    sees ["same"]; {
        let image = lab.engine.inspect_image(&lab.image).await.unwrap();
        let again = lab.engine.inspect_image(&image.id.parse().unwrap()).await.unwrap();
        vec![if image == again { "same" } else { "other" }.to_owned()]
    }

    a_taken_container_name_is_a_conflict(lab)
    sees ["conflict", "created 0"]; {
        let request = lab.job("job", Program::Exits3);
        let first = lab.create(&request).await;
        let clash = done(lab.engine.create_container(&request).await.map(|_| ()));
        lab.engine.remove_container(&first).await.unwrap();
        let second = lab.create(&request).await;
        vec![clash, lab.status(&second).await]
    }

    containers_are_listed_newest_first_in_every_state(lab)
    sees ["third", "second", "first"]; {
        lab.exited("first", Program::Exits3).await;
        lab.started("second", Program::Sleeps).await;
        lab.create(&lab.job("third", Program::Exits3)).await;
        let listed = lab.engine.list_containers(&lab.filter()).await.unwrap();
        for container in &listed {
            assert!(container.name.ends_with(&container.labels["dev.berth.note"]));
        }
        listed.into_iter().map(|mut found| found.labels.remove("dev.berth.note").unwrap()).collect()
    }

    the_containers_that_use_a_volume_are_listed_in_every_state(lab)
    sees ["created Created", "running Running", "exited Exited", "none"]; {
        let place = lab.volume_name("cache").to_string();
        for (hint, program) in [
            ("exited", Program::Exits3),
            ("running", Program::Sleeps),
            ("created", Program::Exits3),
        ] {
            let mut request = lab.job(hint, program);
            request.mounts.push(lab.mount("cache", "/cache"));
            let id = lab.create(&request).await;
            if hint != "created" {
                lab.engine.start_container(&id).await.unwrap();
            }
            if hint == "exited" {
                let exit = lab.engine.wait_container(&id, WaitCondition::NotRunning).await.unwrap();
                exit.await.unwrap();
            }
        }
        // One whose place in the container has the volume's name, and one whose name begins with it.
        let mut other = lab.job("other", Program::Exits3);
        other.mounts = vec![lab.mount("cache-2", &format!("/{place}"))];
        lab.create(&other).await;
        let using = lab.engine.list_containers_using(&lab.volume_name("cache")).await.unwrap();
        let mut all: Seen = using
            .iter()
            .map(|found| format!("{} {:?}", found.labels["dev.berth.note"], found.status))
            .collect();
        let none = lab.engine.list_containers_using(&lab.volume_name("absent")).await.unwrap();
        all.push(if none.is_empty() { "none" } else { "some" }.to_owned());
        all
    }

    removing_a_container_twice_is_not_found(lab)
    sees ["ok", "not found"]; {
        let id = lab.started("job", Program::Sleeps).await;
        vec![
            done(lab.engine.remove_container(&id).await),
            done(lab.engine.remove_container(&id).await),
        ]
    }

    a_container_that_is_gone_is_not_found_by_any_call(lab)
    sees ["not found", "not found", "not found", "not found", "not found", "not found"]; {
        let id = lab.create(&lab.job("job", Program::Exits3)).await;
        lab.engine.remove_container(&id).await.unwrap();
        vec![
            lab.status(&id).await,
            done(lab.engine.start_container(&id).await),
            done(lab.engine.stop_container(&id, GRACE).await),
            done(lab.engine.attach_container(&id).await.map(drop)),
            // Of the call itself, not of the future that it would return.
            done(lab.engine.wait_container(&id, WaitCondition::NextExit).await.map(drop)),
            done(lab.engine.wait_container(&id, WaitCondition::NotRunning).await.map(drop)),
        ]
    }
}
