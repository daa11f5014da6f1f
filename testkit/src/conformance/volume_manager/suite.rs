//! A test of each case, by one line.

/// Makes a test of each case, on a runtime of its own. The expression makes a fresh
/// [`Subject`](crate::conformance::volume_manager::Subject);
/// with `ignore = "reason",` before it, the tests run only when they are asked for.
///
/// ```
/// mod in_memory {
///     use testkit::conformance::volume_manager::MemorySubject;
///
///     testkit::volume_manager_conformance!(MemorySubject::default());
/// }
/// ```
#[macro_export]
macro_rules! volume_manager_conformance {
    (@each [$($attribute:tt)*] $subject:expr;) => {};
    (@each [$($attribute:tt)*] $subject:expr; $case:ident $($rest:ident)*) => {
        #[tokio::test]
        $($attribute)*
        async fn $case() {
            $crate::conformance::volume_manager::$case(&$subject).await;
        }
        $crate::volume_manager_conformance!(@each [$($attribute)*] $subject; $($rest)*);
    };
    (@all [$($attribute:tt)*] $subject:expr) => {
        $crate::volume_manager_conformance!(@each [$($attribute)*] $subject;
            makes_every_cache_and_temporary_volume_exist
            neither_makes_nor_removes_what_is_the_users_own
            says_created_to_the_first_run_and_reused_to_the_next
            says_created_again_to_the_very_run_that_made_it
            tells_exactly_one_of_concurrent_runs_that_it_created
            gives_other_projects_and_other_trust_other_volumes
            refuses_a_strangers_volume_and_does_not_change_it
            refuses_a_volume_with_options
            keeps_the_caches_of_a_failed_prepare
            removes_the_temporaries_of_an_unprepared_plan
            reports_no_cache_of_an_unprepared_plan
            stops_before_the_next_volume_once_cancelled
            is_not_cancelled_where_there_is_nothing_to_ask_for
            reports_each_volume_that_is_ready
            keeps_caches_and_removes_temporaries_whatever_the_outcome
            can_finish_again
            makes_a_vanished_cache_anew
            confirms_what_a_container_holds
            refuses_what_does_not_exist_any_more
            can_be_attached_again
            tells_of_a_cache_that_vanished_before_a_container_held_it
            refuses_what_was_put_in_the_place_of_a_cache
            opens_a_fresh_volume_once
            opens_what_another_run_made_lately
            opens_what_was_never_opened
            leaves_alone_what_has_options_of_its_own
            says_created_under_a_new_name_when_the_configuration_changed
            leaves_another_ones_volume_under_an_unprepared_name
            leaves_alone_what_is_read_only_or_the_users_own
            adopts_the_volumes_of_a_run
            refuses_to_adopt_what_is_another_owners_or_another_runs
            refuses_to_adopt_what_is_gone
            leaves_a_temporary_in_use_and_says_so
            opens_and_adopts_for_runs_at_once
        );
    };
    (ignore = $reason:literal, $subject:expr) => {
        $crate::volume_manager_conformance!(@all [#[ignore = $reason]] $subject);
    };
    ($subject:expr) => {
        $crate::volume_manager_conformance!(@all [] $subject);
    };
}
