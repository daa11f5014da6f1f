//! A test of each case, by one line.

/// Makes a test of each [`Case`](crate::conformance::docker_api::Case), in a module for each area.
/// After the attributes that each test gets comes an async function, which is given the case.
///
/// ```
/// mod wrapper {
///     use std::sync::Arc;
///     use testkit::{FakeDocker, FaultyDocker, conformance::docker_api::{Case, Subject}};
///
///     /// Judges a wrapper of the fake.
///     async fn judge(case: Case) {
///         let fake = FakeDocker::new().with_image("busybox");
///         let engine = FaultyDocker::new(Arc::new(fake.clone()));
///         let subject = Subject::new(engine, "tests", "busybox".parse().unwrap());
///         case.check(subject.over_fake(fake)).await;
///     }
///
///     testkit::docker_api_conformance!(#[tokio::test(start_paused = true)] judge);
/// }
/// ```
#[macro_export]
macro_rules! docker_api_conformance {
    (@areas $attributes:tt $judge:ident; $($area:ident { $($case:ident)* })*) => {
        $(
            mod $area {
                $(
                    $crate::docker_api_conformance!(@test $attributes $judge $area $case);
                )*
            }
        )*
    };
    (@test [$($attribute:tt)*] $judge:ident $area:ident $case:ident) => {
        $($attribute)*
        async fn $case() {
            super::$judge($crate::conformance::docker_api::$area::$case()).await;
        }
    };
    ($(#[$attribute:meta])+ $judge:ident) => {
        $crate::docker_api_conformance! {
            @areas [$(#[$attribute])+] $judge;
            archive {
                an_archive_in_pieces_is_unpacked_as_one
                of_an_archive_that_breaks_off_the_beginning_takes_effect
            }
            container {
                an_image_that_is_missing_is_not_found
                an_image_is_found_by_name_and_id
                a_taken_container_name_is_a_conflict
                containers_are_listed_newest_first_in_every_state
                the_containers_that_use_a_volume_are_listed_in_every_state
                removing_a_container_twice_is_not_found
                a_container_that_is_gone_is_not_found_by_any_call
            }
            exec {
                a_program_writes_and_ends_with_its_code
                a_program_needs_a_command_and_a_container_that_runs
                a_program_runs_once
                programs_end_with_their_container_and_those_that_never_ran_are_forgotten
                a_signal_to_all_ends_the_container_and_not_its_sender
            }
            life {
                a_container_is_created_then_running_then_exited
                a_waiter_registered_before_the_start_sees_the_exit_code
                a_created_container_counts_as_not_running_with_code_0
                the_next_exit_of_an_exited_container_comes_only_when_it_runs_again
                waiters_of_a_removed_container_get_137_or_the_last_code
                stopping_what_does_not_run_is_fine
                who_ignores_the_stop_is_killed_after_the_grace
                who_attaches_before_the_start_reads_both_outputs_apart
                who_attaches_to_an_exited_container_reads_its_next_run
                a_removal_ends_the_output_of_a_container_that_runs_and_of_no_other
                a_signal_ends_what_runs_and_finds_nobody_else
                a_container_has_the_times_of_its_last_run
            }
            log {
                a_log_has_both_outputs_after_the_end
                a_log_that_is_followed_ends_with_the_container
                a_log_is_cut_by_lines_and_by_time
                a_line_of_a_log_begins_with_its_time_if_asked_for
                a_container_without_a_log_has_none_to_read
                an_image_is_listed_by_its_names_until_it_is_removed
                an_image_that_a_container_uses_is_not_removed
            }
            mount {
                two_mounts_with_one_destination_are_rejected_and_the_first_volume_stays
                a_destination_that_is_relative_or_the_root_is_rejected
                a_vanished_volume_comes_back_with_the_mounts_labels
                a_mount_leaves_the_labels_of_a_volume_that_is_there
                a_vanished_volume_comes_back_with_the_mounts_driver_and_options
                a_mount_leaves_the_options_of_a_volume_that_is_there
                a_volume_of_a_bind_string_comes_back_without_labels
                what_is_odd_about_a_bind_string_is_the_engines_error
                bind_strings_come_before_mounts
                a_path_of_the_host_that_is_missing_is_rejected_unless_it_is_to_be_made
                propagation_and_consistency_are_accepted_as_mount_and_as_bind_string
                an_inspection_shows_name_and_mounts
                a_pipe_is_rejected_on_linux
            }
            network {
                a_network_is_looked_at_listed_and_removed
                a_second_network_of_a_name_is_taken_and_neither_can_be_used
                a_network_is_held_by_what_runs_in_it_alone
                a_container_whose_network_is_missing_is_created_and_not_started
                a_container_without_a_network_of_its_choice_is_in_the_engines
            }
            shell {
                steps_are_played_between_marks_on_both_outputs
                steps_that_come_at_once_are_played_one_after_another
                an_input_that_ends_with_its_attachment_ends_the_shell_after_its_step
                an_input_that_is_kept_goes_on_with_the_next_attachment
                a_signal_to_all_ends_the_step_and_not_the_shell
                a_step_that_ignores_the_signal_is_killed_with_the_container
                a_kill_of_all_ends_the_container
                a_shell_does_not_stop_and_is_killed_after_the_grace
                what_is_written_to_a_container_without_an_input_is_forgotten
            }
            system {
                an_engine_keeps_its_id_and_tells_its_time
                what_is_created_has_its_time_by_the_engines_clock
            }
            volume {
                creating_a_volume_again_returns_the_first_one
                a_volumes_mount_point_is_where_the_local_driver_puts_it
                options_that_the_local_driver_cannot_use_are_rejected
                a_volume_is_in_use_by_a_container_in_every_state
                removing_a_volume_twice_is_not_found
                volumes_are_listed_by_all_labels_and_by_name
                a_volume_of_another_driver_has_its_name_for_itself
                names_of_255_bytes_are_names
                a_label_may_hold_any_text
                lists_are_filtered_by_presence_value_and_all_of_several
                pruning_takes_named_volumes_that_nothing_uses_and_that_have_the_labels
                disk_usage_knows_sizes_and_references
                a_fresh_volumes_root_is_closed_and_a_header_opens_it
            }
        }
    };
}
