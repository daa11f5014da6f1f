//! Keys of `[runners.docker]` for networks, names and labels of build and helper containers.

use super::Key;
use crate::config::file::{
    ConfigError,
    key::Kind,
    network,
    text::{Problem, word},
    value::Item,
};
use std::collections::BTreeMap;

/// Labels that begin so are Berth's.
const OURS: &str = "dev.berth.";

pub(super) const KEYS: &[Key] = &[
    Key::supported("network_mode", Kind::Text, |draft, item| {
        let mode = item.read(network::network_mode)?;
        draft.for_all(|host| host.network_mode = Some(mode.clone()));
        Ok(())
    }),
    Key::supported("enable_ipv6", Kind::Boolean, |draft, item| {
        draft.config().network.ipv6 = item.boolean()?;
        Ok(())
    }),
    Key::supported("network_mtu", Kind::Integer, |draft, item| {
        let mtu: u32 = item.integer_in(0..=65_535, "a number of bytes up to 65535")?;
        draft.config().network.mtu = Some(mtu).filter(|mtu| *mtu > 0);
        Ok(())
    }),
    Key::supported("hostname", Kind::Text, |draft, item| {
        draft.config().containers.hostname = Some(item.read(network::hostname)?);
        Ok(())
    }),
    Key::supported("mac_address", Kind::Text, |draft, item| {
        draft.config().containers.mac_address = Some(item.read(network::mac_address)?);
        Ok(())
    }),
    Key::supported("dns", Kind::Texts, |draft, item| {
        let servers = item.read_all(network::address)?;
        draft.for_all(|host| host.dns.clone_from(&servers));
        Ok(())
    }),
    Key::supported("dns_search", Kind::Texts, |draft, item| {
        // One empty name is an empty list for the engine: the host's domains are not searched.
        let read = |text: &str| if text.is_empty() { Ok(String::new()) } else { word(text) };
        let domains = item.read_all(read)?;
        draft.for_all(|host| host.dns_search.clone_from(&domains));
        Ok(())
    }),
    Key::supported("extra_hosts", Kind::Texts, |draft, item| {
        let hosts = item.read_all(network::extra_host)?;
        draft.for_all(|host| host.extra_hosts.clone_from(&hosts));
        Ok(())
    }),
    Key::supported("links", Kind::Texts, |draft, item| {
        draft.host().links = item.read_all(network::link)?;
        Ok(())
    }),
    Key::supported("container_labels", Kind::TextTable, |draft, item| {
        draft.config().containers.labels = pairs(item, |key| {
            if key.is_empty() || key.starts_with(OURS) {
                let expected = "a label that does not begin with dev.berth.";
                return Err(Problem::new("is no label of one's own", expected));
            }
            Ok(())
        })?;
        Ok(())
    }),
    Key::supported("log_options", Kind::TextTable, |draft, item| {
        let options = pairs(item, |key| match key {
            "env" | "labels" => Ok(()),
            _ => Err(Problem::new("is no log option that is allowed", "env or labels")),
        })?;
        draft.config().containers.log_options = Some(options);
        Ok(())
    }),
];

/// A table of texts, whose names are checked.
pub(super) fn pairs(
    item: &Item<'_>,
    check: impl Fn(&str) -> Result<(), Problem>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let pairs = item.entries()?.into_iter().map(|(name, entry)| {
        check(name).map_err(|problem| entry.invalid(&problem))?;
        Ok((name.to_owned(), entry.text()?.to_owned()))
    });
    pairs.collect()
}
