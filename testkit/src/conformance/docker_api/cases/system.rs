//! What the engine says of itself, and its clock.

use std::time::Duration;

use crate::conformance::docker_api::prelude::*;

/// Engines tell ages in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

behaviours! {
    an_engine_keeps_its_id_and_tells_its_time(subject)
    sees ["the same id", "time passes", "containers end with it"]; {
        let (one, other) = (subject.engine.info().await.unwrap(), subject.engine.info().await.unwrap());
        vec![
            if one.id.is_some() && one.id == other.id { "the same id" } else { "no id" }.to_owned(),
            if one.now.unwrap() <= other.now.unwrap() { "time passes" } else { "time stands" }.to_owned(),
            if one.live_restore { "containers run on" } else { "containers end with it" }.to_owned(),
        ]
    }

    what_is_created_has_its_time_by_the_engines_clock(subject)
    sees ["container in time", "network in time", "volume in time"]; {
        let before = subject.engine.info().await.unwrap().now.unwrap() - SECOND;
        subject.create(&subject.job("c", Program::Exits3)).await;
        subject.engine.create_network(&subject.network("n")).await.unwrap();
        subject.engine.create_volume(&subject.volume("v", "v")).await.unwrap();
        let after = subject.engine.info().await.unwrap().now.unwrap();
        let seen = |what: &str, created: Option<SystemTime>| {
            let created = created.unwrap();
            let place = if before <= created && created <= after { "in time" } else { "out of time" };
            format!("{what} {place}")
        };
        let containers = subject.engine.list_containers(&subject.filter()).await.unwrap();
        let networks = subject.engine.list_networks(&subject.filter()).await.unwrap();
        let volumes = subject.engine.list_volumes(&subject.filter()).await.unwrap();
        vec![
            seen("container", containers[0].created),
            seen("network", networks[0].created),
            seen("volume", volumes[0].created),
        ]
    }
}
