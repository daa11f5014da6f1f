//! Networks, and containers' places in them.

use docker_api_trait::{ContainerDetails, NetworkAttachment, NetworkId};

use crate::conformance::docker_api::prelude::*;

impl Subject {
    /// A job in a network, with another name there.
    fn job_in(&self, network: &str, hint: &str) -> ContainerRequest {
        let mut request = self.job(hint, Program::Sleeps);
        let mut attachment = NetworkAttachment::new(self.name(network).parse().unwrap());
        attachment.aliases = vec!["db".to_owned()];
        request.network = Some(attachment);
        request
    }

    async fn details(&self, id: &ContainerId) -> ContainerDetails {
        self.engine.inspect_container(id).await.unwrap()
    }

    /// Where the container is, with `NET` for the network's name and `ID` for its own short id.
    async fn places(&self, id: &ContainerId) -> String {
        let places = self.details(id).await.networks;
        let places = places.iter().map(|place| {
            let network = place.network.replace(&self.name("net"), "NET");
            let aliases = place.aliases.join(",").replace(&id.as_str()[..12], "ID");
            let address = if place.ipv4.is_some() { "address" } else { "none" };
            format!("{network} [{aliases}] {address}")
        });
        places.collect::<Vec<_>>().join("; ")
    }

    /// An error with the engine's words, in which `NET` and `ID` stand for a network's name and id.
    fn about(&self, network: &NetworkId, reply: Result<(), ApiError>) -> String {
        let words = self.words(reply).replace(&self.name("net"), "NET");
        words.replace(network.as_str(), "ID")
    }
}

behaviours! {
    a_network_is_looked_at_listed_and_removed(subject)
    sees [
        "net net false {} 0", "listed net", "ok",
        "not found: network ID not found", "not found: network ID not found", "listed",
    ]; {
        let id = subject.engine.create_network(&subject.network("net")).await.unwrap();
        let network = subject.engine.inspect_network(&id).await.unwrap();
        assert_eq!((&network.id, &network.name), (&id, &subject.name("net")));
        let listed = async || {
            let listed = subject.engine.list_networks(&subject.filter()).await.unwrap();
            let listed = listed.iter().map(|network| format!(" {}", network.labels["dev.berth.note"]));
            format!("listed{}", listed.collect::<String>())
        };
        vec![
            format!(
                "net {} {} {:?} {}",
                network.labels["dev.berth.note"], network.ipv6, network.options,
                network.containers.len()
            ),
            listed().await,
            done(subject.engine.remove_network(&id).await),
            subject.about(&id, subject.engine.remove_network(&id).await),
            subject.about(&id, subject.engine.inspect_network(&id).await.map(drop)),
            listed().await,
        ]
    }

    a_second_network_of_a_name_is_taken_and_neither_can_be_used(subject)
    sees [
        "other", "rejected: network NET is ambiguous (2 matches found on name)",
        "created 128", "network NET is ambiguous (2 matches found on name)", "ok", "running 0",
    ]; {
        let first = subject.engine.create_network(&subject.network("net")).await.unwrap();
        let second = subject.engine.create_network(&subject.network("net")).await.unwrap();
        let id = subject.create(&subject.job_in("net", "job")).await;
        let started = subject.engine.start_container(&id).await;
        let mut all = vec![
            if first == second { "same" } else { "other" }.to_owned(),
            subject.about(&first, started),
            subject.status(&id).await,
            subject.details(&id).await.error.replace(&subject.name("net"), "NET"),
        ];
        subject.engine.remove_network(&first).await.unwrap();
        all.push(done(subject.engine.start_container(&id).await));
        all.push(subject.status(&id).await);
        all
    }

    a_network_is_held_by_what_runs_in_it_alone(subject)
    sees [
        "NET [db] none", "0", "NET [db,ID] address", "1",
        "engine error 403: error while removing network: network NET id ID has active endpoints",
        "NET [db,ID] none", "0", "ok", "not found: network ID not found", "exited 143",
        "network ID not found",
    ]; {
        let network = subject.engine.create_network(&subject.network("net")).await.unwrap();
        let within = async || {
            subject.engine.inspect_network(&network).await.unwrap().containers.len().to_string()
        };
        let id = subject.create(&subject.job_in("net", "job")).await;
        let mut all = vec![subject.places(&id).await, within().await];
        subject.engine.start_container(&id).await.unwrap();
        all.extend([subject.places(&id).await, within().await]);
        all.push(subject.about(&network, subject.engine.remove_network(&network).await));
        subject.engine.stop_container(&id, GRACE).await.unwrap();
        all.extend([subject.places(&id).await, within().await]);
        all.push(done(subject.engine.remove_network(&network).await));
        // Also when there is another of its name.
        subject.engine.create_network(&subject.network("net")).await.unwrap();
        all.push(subject.about(&network, subject.engine.start_container(&id).await));
        all.push(subject.status(&id).await);
        all.push(subject.details(&id).await.error.replace(network.as_str(), "ID"));
        all
    }

    a_container_whose_network_is_missing_is_created_and_not_started(subject)
    sees ["not found", "created 128", "exit 128 network NET not found", "nothing", "exit 128"]; {
        let id = subject.create(&subject.job_in("net", "job")).await;
        let mut next = subject.engine.wait_container(&id, WaitCondition::NextExit).await.unwrap();
        let mut all = vec![done(subject.engine.start_container(&id).await), subject.status(&id).await];
        let exit = subject.engine.wait_container(&id, WaitCondition::NotRunning).await.unwrap();
        let exit = exit.await.unwrap();
        let error = exit.error.unwrap_or_default().replace(&subject.name("net"), "NET");
        all.push(format!("exit {} {error}", exit.code));
        let early = timeout(NEVER, &mut next).await;
        all.push(if early.is_ok() { "something" } else { "nothing" }.to_owned());
        subject.engine.remove_container(&id).await.unwrap();
        all.push(seen(next.await.map(|status| format!("exit {}", status.code))));
        all
    }

    a_container_without_a_network_of_its_choice_is_in_the_engines(subject)
    sees ["bridge [] none", "bridge [] address", "none [] none", "none [] none"]; {
        let mut all = Seen::new();
        for (hint, mode) in [("default", None), ("none", Some("none"))] {
            let mut request = subject.job(hint, Program::Sleeps);
            request.host.network_mode = mode.map(ToOwned::to_owned);
            let id = subject.create(&request).await;
            all.push(subject.places(&id).await);
            subject.engine.start_container(&id).await.unwrap();
            all.push(subject.places(&id).await);
        }
        all
    }
}
