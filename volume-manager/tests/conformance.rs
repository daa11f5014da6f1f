//! Every implementation of `VolumeManager`, judged by its contract.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod in_memory {
    use testkit::conformance::volume_manager::MemorySubject;

    testkit::volume_manager_conformance!(MemorySubject::default());
}

mod on_a_fake_engine {
    use std::sync::Arc;

    use testkit::{FakeDocker, conformance::volume_manager::DockerSubject};

    fn subject() -> DockerSubject {
        let engine = FakeDocker::new().with_any_image();
        DockerSubject::new(Arc::new(engine), "fake", "busybox".parse().unwrap())
    }

    testkit::volume_manager_conformance!(subject());
}

mod on_a_real_engine {
    use std::sync::Arc;

    use docker_api_trait::{BollardDocker, Endpoint, EndpointSources};
    use testkit::{conformance::volume_manager::DockerSubject, suite};

    fn subject() -> DockerSubject {
        let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
        let engine = Arc::new(BollardDocker::new(endpoint).unwrap());
        DockerSubject::new(engine, suite::owner(), suite::image())
    }

    testkit::volume_manager_conformance!(ignore = "needs Docker: cargo xtask e2e", subject());
}
