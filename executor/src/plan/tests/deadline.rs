//! The time after which another host's sweep may remove what a job left.

use super::*;

#[test]
fn a_deadline_is_labelled_unless_there_is_no_limit() {
    let label_with = |timeout, default_timeout| {
        let mut job = job();
        (job.timeout, job.after_script_timeout) = (timeout, Some(Duration::ZERO));
        let config = ExecutorConfig { default_timeout, ..ExecutorConfig::new("ci") };
        let plan = planned_with(&job, &config).unwrap();
        assert_eq!(plan.timeouts.job, timeout.or(default_timeout));
        plan.containers[0].labels.get("dev.berth.deadline").cloned()
    };
    let label = |timeout| label_with(timeout, ExecutorConfig::new("ci").default_timeout);
    assert_eq!(label_with(None, None), None);
    assert_eq!(label(None).as_deref(), Some("1970-01-08T00:01:10Z"), "7 days");
    // 60 s, then 10 s of grace and 60 s of cleanup.
    assert_eq!(label(Some(Duration::from_mins(1))).as_deref(), Some("1970-01-01T00:02:10Z"));
    assert_eq!(label(Some(Duration::MAX)), None, "beyond what a clock can tell");
}
