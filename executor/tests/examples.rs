//! The examples of an embedding engineer run, and each is at most 25 lines long.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/embed.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a `main` of its own")]
mod embed;
#[path = "../examples/fake.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a `main` of its own")]
mod fake;
#[path = "../examples/mocks.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a `main` of its own")]
mod mocks;
#[path = "../examples/resume.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a `main` of its own")]
mod resume;

#[test]
fn a_unit_test_with_the_fake() {
    fake::main().unwrap();
}

#[test]
fn a_unit_test_with_mocks() {
    mocks::main().unwrap();
}

#[test]
fn stages_and_a_resumption() {
    resume::main().unwrap();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_real_job_with_a_service_and_a_secret() {
    embed::main().unwrap();
}

#[test]
fn examples_are_short() {
    for (name, text) in [
        ("embed", include_str!("../examples/embed.rs")),
        ("fake", include_str!("../examples/fake.rs")),
        ("mocks", include_str!("../examples/mocks.rs")),
        ("resume", include_str!("../examples/resume.rs")),
        ("unit_test", include_str!("../../volume-manager/examples/unit_test.rs")),
        ("count_calls", include_str!("../../testkit/examples/count_calls.rs")),
    ] {
        assert!(text.lines().count() <= 25, "{name}: {}", text.lines().count());
    }
}
