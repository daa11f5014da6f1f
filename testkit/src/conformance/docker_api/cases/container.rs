//! Images, and containers as objects.

use crate::conformance::docker_api::prelude::*;

behaviours! {
    an_image_that_is_missing_is_not_found(subject)
    sees ["not found", "not found", "not found"]; {
        let mut request = subject.job("job", Program::Exits3);
        let absent: ImageReference = "berth-test-absent:none".parse().unwrap();
        request.image = absent.clone();
        let created = subject.engine.create_container(&request).await.map(|_| ());
        let inspected = subject.engine.inspect_image(&absent).await.map(|_| ());
        subject.create(&subject.job("job", Program::Exits3)).await;
        // The image is looked for before the name.
        let clash = subject.engine.create_container(&request).await.map(|_| ());
        [created, inspected, clash].map(done).into()
    }

    an_image_is_found_by_name_and_id(subject)
    sees ["same"]; {
        let image = subject.engine.inspect_image(&subject.image).await.unwrap();
        let again = subject.engine.inspect_image(&image.id.parse().unwrap()).await.unwrap();
        vec![if image == again { "same" } else { "other" }.to_owned()]
    }

    a_taken_container_name_is_a_conflict(subject)
    sees ["conflict", "created 0"]; {
        let request = subject.job("job", Program::Exits3);
        let first = subject.create(&request).await;
        let clash = done(subject.engine.create_container(&request).await.map(|_| ()));
        subject.engine.remove_container(&first).await.unwrap();
        let second = subject.create(&request).await;
        vec![clash, subject.status(&second).await]
    }

    containers_are_listed_newest_first_in_every_state(subject)
    sees ["third", "second", "first"]; {
        subject.exited("first", Program::Exits3).await;
        subject.started("second", Program::Sleeps).await;
        subject.create(&subject.job("third", Program::Exits3)).await;
        let listed = subject.engine.list_containers(&subject.filter()).await.unwrap();
        for container in &listed {
            assert!(container.name.ends_with(&container.labels["dev.berth.note"]));
        }
        listed.into_iter().map(|mut found| found.labels.remove("dev.berth.note").unwrap()).collect()
    }

    the_containers_that_use_a_volume_are_listed_in_every_state(subject)
    sees ["created Created", "running Running", "exited Exited", "none"]; {
        let place = subject.volume_name("cache").to_string();
        for (hint, program) in [
            ("exited", Program::Exits3),
            ("running", Program::Sleeps),
            ("created", Program::Exits3),
        ] {
            let mut request = subject.job(hint, program);
            request.mounts.push(subject.mount("cache", "/cache"));
            let id = subject.create(&request).await;
            if hint != "created" {
                subject.engine.start_container(&id).await.unwrap();
            }
            if hint == "exited" {
                let exit = subject.engine.wait_container(&id, WaitCondition::NotRunning).await.unwrap();
                exit.await.unwrap();
            }
        }
        // One whose place in the container has the volume's name, and one whose name begins with it.
        let mut other = subject.job("other", Program::Exits3);
        other.mounts = vec![subject.mount("cache-2", &format!("/{place}"))];
        subject.create(&other).await;
        let using = subject.engine.list_containers_using(&subject.volume_name("cache")).await.unwrap();
        let mut all: Seen = using
            .iter()
            .map(|found| format!("{} {:?}", found.labels["dev.berth.note"], found.status))
            .collect();
        let none = subject.engine.list_containers_using(&subject.volume_name("absent")).await.unwrap();
        all.push(if none.is_empty() { "none" } else { "some" }.to_owned());
        all
    }

    removing_a_container_twice_is_not_found(subject)
    sees ["ok", "not found"]; {
        let id = subject.started("job", Program::Sleeps).await;
        vec![
            done(subject.engine.remove_container(&id).await),
            done(subject.engine.remove_container(&id).await),
        ]
    }

    a_container_that_is_gone_is_not_found_by_any_call(subject)
    sees ["not found", "not found", "not found", "not found", "not found", "not found"]; {
        let id = subject.create(&subject.job("job", Program::Exits3)).await;
        subject.engine.remove_container(&id).await.unwrap();
        vec![
            subject.status(&id).await,
            done(subject.engine.start_container(&id).await),
            done(subject.engine.stop_container(&id, GRACE).await),
            done(subject.engine.attach_container(&id).await.map(drop)),
            // Of the call itself, not of the future that it would return.
            done(subject.engine.wait_container(&id, WaitCondition::NextExit).await.map(drop)),
            done(subject.engine.wait_container(&id, WaitCondition::NotRunning).await.map(drop)),
        ]
    }
}
