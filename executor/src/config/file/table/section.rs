//! The tables of a file.

use super::{
    Keys, berth, engine, global, host, image, network, right, runner, service, service_host, volume,
};

pub(in super::super) use runner::EXECUTOR;

pub(in super::super) const GLOBAL: Keys = &[global::KEYS];
pub(in super::super) const RUNNER: Keys = &[runner::PROCESS, runner::KEYS, runner::OTHERS];
pub(super) const DOCKER: Keys = &[
    engine::KEYS,
    image::KEYS,
    host::KEYS,
    right::KEYS,
    network::KEYS,
    volume::KEYS,
    service_host::KEYS,
];
pub(super) const SERVICE: Keys = &[service::KEYS];
pub(in super::super) const BERTH: Keys = &[berth::KEYS];

/// Every table whose keys are known, by the keys that lead to it. Tables of other executors, of
/// caches in object stores and the like are not among them: nothing in them is looked at.
pub(in super::super) const SECTIONS: [(&str, Keys); 5] = [
    ("", GLOBAL),
    ("runners", RUNNER),
    ("runners.docker", DOCKER),
    ("runners.docker.services", SERVICE),
    ("runners.berth", BERTH),
];
