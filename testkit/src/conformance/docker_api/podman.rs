//! Where Podman differs from Docker's engine: what is seen there instead, behaviour by behaviour.
//!
//! Measured on Podman 4.3.1. A behaviour that is not in this table is the same on both; one that is
//! in it and is the same after all fails, so that the table stays true. What the differences mean
//! for jobs is in docs/podman.md.

/// What is seen on Podman.
#[derive(Debug, Clone, Copy)]
pub(super) enum Difference {
    /// This instead.
    Sees(&'static [&'static str]),
    /// The same, in any order: what is of one second has none.
    AnyOrder,
    /// It comes to an error where Docker's engine has none, to no end, or to words that are others
    /// each time.
    Fails,
}

use Difference::{AnyOrder, Fails, Sees};

const DIFFERENCES: &[(&str, Difference)] = &[
    // What is unpacked at the root of a container that does not run goes beside its volumes.
    (
        "archive::an_archive_in_pieces_is_unpacked_as_one",
        Sees(&["ok", "not found", "not found", "not found"]),
    ),
    (
        "archive::of_an_archive_that_breaks_off_the_beginning_takes_effect",
        Sees(&["lost", "not found", "not found"]),
    ),
    (
        "volume::a_fresh_volumes_root_is_closed_and_a_header_opens_it",
        Sees(&[
            "Folder 755",
            "/ 0:0 755",
            "ok",
            "Folder 755",
            "/ 0:0 755",
            "ok",
            "not found",
            "not found",
        ]),
    ),
    ("container::containers_are_listed_newest_first_in_every_state", AnyOrder),
    ("container::the_containers_that_use_a_volume_are_listed_in_every_state", AnyOrder),
    (
        "exec::a_program_needs_a_command_and_a_container_that_runs",
        Sees(&["conflict", "engine error 5xx", "conflict", "not found"]),
    ),
    // The sender of the signal may end with the container before its own code is seen.
    ("exec::a_program_runs_once", Fails),
    (
        "exec::a_program_writes_and_ends_with_its_code",
        Sees(&[
            "ExecDetails { running: false, exit_code: Some(0) }",
            "\"out\\n\" \"err\\n\" ended",
            "ExecDetails { running: false, exit_code: Some(4) }",
            "running 0",
        ]),
    ),
    (
        "exec::programs_end_with_their_container_and_those_that_never_ran_are_forgotten",
        Sees(&[
            "ExecDetails { running: true, exit_code: None }",
            "\"\" \"\" ended",
            "ExecDetails { running: false, exit_code: Some(137) }",
            "ExecDetails { running: false, exit_code: Some(0) }",
            "conflict",
            "conflict",
            "not found",
            "not found",
        ]),
    ),
    ("life::a_created_container_counts_as_not_running_with_code_0", Sees(&["exit -1"])),
    (
        "life::a_removal_ends_the_output_of_a_container_that_runs_and_of_no_other",
        Sees(&["\"\" \"\" ended", "\"\" \"\" ended"]),
    ),
    // A waiter of a container that is removed hears nothing.
    ("life::waiters_of_a_removed_container_get_137_or_the_last_code", Fails),
    ("mount::a_destination_that_is_relative_or_the_root_is_rejected", Fails),
    (
        "mount::a_path_of_the_host_that_is_missing_is_rejected_unless_it_is_to_be_made",
        Sees(&["ok", "conflict", "rejected"]),
    ),
    (
        "mount::a_pipe_is_rejected_on_linux",
        Sees(&["engine error 500: fill out specgen: invalid filesystem type \"npipe\""]),
    ),
    // Labels and options of a mount are not read: the volume comes back without.
    ("mount::a_vanished_volume_comes_back_with_the_mounts_driver_and_options", Fails),
    ("mount::a_vanished_volume_comes_back_with_the_mounts_labels", Fails),
    (
        "mount::bind_strings_come_before_mounts",
        Sees(&[
            "rejected: container create: conflict in specified volumes - multiple volumes at \"/c\": duplicate mount destination",
            "not found: volume with name NAME not found: no such volume",
            "not found",
        ]),
    ),
    (
        "mount::two_mounts_with_one_destination_are_rejected_and_the_first_volume_stays",
        Sees(&["rejected", "rejected", "rejected", "not found", "not found"]),
    ),
    // Each engine has words of its own for what is odd, and other things are.
    ("mount::what_is_odd_about_a_bind_string_is_the_engines_error", Fails),
    // A network that is missing is the error of the creation.
    ("network::a_container_whose_network_is_missing_is_created_and_not_started", Fails),
    (
        "network::a_container_without_a_network_of_its_choice_is_in_the_engines",
        Sees(&["podman [ID] none", "podman [ID] address", "", ""]),
    ),
    // A network is not told by its id once it is gone, and who is in it is known by the file of each.
    ("network::a_network_is_held_by_what_runs_in_it_alone", Fails),
    (
        "network::a_network_is_looked_at_listed_and_removed",
        Sees(&[
            "net net false {} 0",
            "listed net",
            "ok",
            "not found: network not found",
            "not found: unable to find network with name or ID ID: network not found",
            "listed",
        ]),
    ),
    ("network::a_second_network_of_a_name_is_taken_and_neither_can_be_used", Fails),
    ("shell::an_input_that_is_kept_goes_on_with_the_next_attachment", Fails),
    (
        "system::an_engine_keeps_its_id_and_tells_its_time",
        Sees(&["no id", "time passes", "containers end with it"]),
    ),
    ("volume::a_volume_of_another_driver_has_its_name_for_itself", Sees(&["ok", "ok", "first {}"])),
    (
        "volume::options_that_the_local_driver_cannot_use_are_rejected",
        Sees(&[
            "engine error 5xx",
            " {\"type\": \"tmpfs\"}",
            " {\"type\": \"tmpfs\"}",
            " {\"type\": \"tmpfs\"}",
        ]),
    ),
    // The volume that its container's mount names was made by the mount, without labels.
    (
        "volume::pruning_takes_named_volumes_that_nothing_uses_and_that_have_the_labels",
        Sees(&["free", "other", ""]),
    ),
];

/// What is different in a behaviour, by its path: `volume::names_of_255_bytes_are_names`.
pub(super) fn difference(behaviour: &str) -> Option<Difference> {
    DIFFERENCES.iter().find(|(name, _)| *name == behaviour).map(|(_, difference)| *difference)
}

/// Judges what was seen on Podman; `None` is a behaviour that came to an error or to no end.
pub(super) fn judge(behaviour: &str, docker: &[String], podman: Option<&[String]>) {
    let sorted = |seen: &[String]| {
        let mut seen = seen.to_vec();
        seen.sort();
        seen
    };
    match (difference(behaviour), podman) {
        (None, Some(seen)) => assert_eq!(docker, seen, "Docker's engine, then Podman"),
        (Some(Sees(expected)), Some(seen)) => {
            assert_ne!(docker, seen, "there is no difference any more");
            assert_eq!(expected, seen, "what is written down of Podman, then what it does");
        }
        (Some(AnyOrder), Some(seen)) => assert_eq!(sorted(docker), sorted(seen)),
        (Some(Fails), None) => {}
        (Some(Fails), Some(seen)) => {
            assert_ne!(docker, seen, "there is no difference any more");
        }
        (_, None) => panic!("{behaviour} comes to an error or to no end"),
    }
}
