//! The same calls to the fake and to a real engine, and the same answers from both.
//!
//! The behaviours are the cases of `testkit::conformance::docker_api`. Each runs on the fake in every
//! test run and is compared with what is written down there; the ignored twin runs it on a real engine
//! too, and compares the two. Where they differ, the fake is wrong; where Podman differs, the suite's
//! table says how.
//!
//! The real engine needs the image `BERTH_E2E_IMAGE` (`berth-busybox:local`), which has a shell.
//! Everything made there carries the label `dev.berth.owner` with the value of `BERTH_E2E_OWNER`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use docker_api_trait::{BollardDocker, Endpoint, EndpointSources};
use testkit::{
    FakeDocker,
    conformance::docker_api::{Case, Subject},
    suite,
};

fn on_fake() -> Subject {
    let fake = FakeDocker::new().with_image(suite::image().as_str());
    Subject::new(fake.clone(), suite::owner(), suite::image()).over_fake(fake)
}

fn on_real_engine() -> Subject {
    let endpoint = Endpoint::resolve(&EndpointSources::from_process(None)).unwrap();
    Subject::new(BollardDocker::new(endpoint).unwrap(), suite::owner(), suite::image())
}

mod fake {
    use super::{Case, on_fake};

    async fn judge(case: Case) {
        case.check(on_fake()).await;
    }

    testkit::docker_api_conformance!(
        #[tokio::test(start_paused = true)]
        judge
    );
}

mod real {
    use super::{Case, on_fake, on_real_engine};

    /// Compares a real engine with the fake.
    async fn judge(case: Case) {
        let fake = case.observe(on_fake()).await;
        case.compare(on_real_engine(), &fake).await;
    }

    testkit::docker_api_conformance!(
        #[tokio::test]
        #[ignore = "needs Docker: cargo xtask e2e"]
        judge
    );
}
