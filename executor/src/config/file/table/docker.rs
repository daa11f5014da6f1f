//! The table `[runners.docker]`, in groups of keys.

use super::{Keys, engine, host, image, network, right, service_host, volume};

pub(super) const DOCKER: Keys = &[
    engine::KEYS,
    image::KEYS,
    host::KEYS,
    right::KEYS,
    network::KEYS,
    volume::KEYS,
    service_host::KEYS,
];
