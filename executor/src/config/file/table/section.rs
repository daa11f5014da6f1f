//! The tables of a file.

use super::{
    Keys,
    berth::BERTH,
    docker::DOCKER,
    global,
    runner::{KEYS, OTHERS, PROCESS},
    service::SERVICE,
};

pub(in super::super) const GLOBAL: Keys = &[global::KEYS];
pub(in super::super) const RUNNER: Keys = &[PROCESS, KEYS, OTHERS];

/// Every table whose keys are known, by the keys that lead to it. Tables of other executors, of
/// caches in object stores and the like are not among them: nothing in them is looked at.
pub(in super::super) const SECTIONS: [(&str, Keys); 5] = [
    ("", GLOBAL),
    ("runners", RUNNER),
    ("runners.docker", DOCKER),
    ("runners.docker.services", SERVICE),
    ("runners.berth", BERTH),
];
