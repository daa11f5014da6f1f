//! What the engine says of itself, and its clock.

use std::time::Duration;

use super::*;

/// Engines tell ages in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

behaviours! {
    an_engine_keeps_its_id_and_tells_its_time(lab)
    sees ["the same id", "time passes", "containers end with it"]; {
        let (one, other) = (lab.engine.info().await.unwrap(), lab.engine.info().await.unwrap());
        vec![
            if one.id.is_some() && one.id == other.id { "the same id" } else { "no id" }.to_owned(),
            if one.now.unwrap() <= other.now.unwrap() { "time passes" } else { "time stands" }.to_owned(),
            if one.live_restore { "containers run on" } else { "containers end with it" }.to_owned(),
        ]
    }

    what_is_created_has_its_time_by_the_engines_clock(lab)
    sees ["container in time", "network in time", "volume in time"]; {
        let before = lab.engine.info().await.unwrap().now.unwrap() - SECOND;
        lab.create(&lab.job("c", Program::Exits3)).await;
        lab.engine.create_network(&lab.network("n")).await.unwrap();
        lab.engine.create_volume(&lab.volume("v", "v")).await.unwrap();
        let after = lab.engine.info().await.unwrap().now.unwrap();
        let seen = |what: &str, created: Option<SystemTime>| {
            let created = created.unwrap();
            let place = if before <= created && created <= after { "in time" } else { "out of time" };
            format!("{what} {place}")
        };
        let containers = lab.engine.list_containers(&lab.filter()).await.unwrap();
        let networks = lab.engine.list_networks(&lab.filter()).await.unwrap();
        let volumes = lab.engine.list_volumes(&lab.filter()).await.unwrap();
        vec![
            seen("container", containers[0].created),
            seen("network", networks[0].created),
            seen("volume", volumes[0].created),
        ]
    }
}
