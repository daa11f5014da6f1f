use super::*;

const CREATE: Operation = Operation::CreateContainer;
const START: Operation = Operation::StartContainer;

/// What runc's errors begin with.
macro_rules! runc {
    ($words:literal) => {
        concat!(
            "failed to create shim task: OCI runtime create failed: runc create failed: ",
            $words,
            ": unknown"
        )
    };
}

/// What the Engine 20.10.24 replied when each was made to happen, and the cause.
const REPLIES: &[(Operation, u16, &str, Option<RefusalCause>)] = &[
    // A volume at a file, at a link to a file, and below a file.
    (
        CREATE,
        500,
        "source /var/lib/docker/overlay2/f00d2f6a/merged/etc/passwd is not directory",
        Some(RefusalCause::PathIsFile),
    ),
    (
        CREATE,
        500,
        "lstat /var/lib/docker/overlay2/53f9bb59/merged/etc/passwd/x: not a directory",
        Some(RefusalCause::PathIsFile),
    ),
    // The same as working directories.
    (CREATE, 500, "Cannot mkdir: /etc/passwd is not a directory", Some(RefusalCause::PathIsFile)),
    (
        START,
        400,
        runc!(
            "unable to start container process: error during container init: error mounting \"/tmp\" \
             to rootfs at \"/etc/passwd\": mount /tmp:/etc/passwd (via /proc/self/fd/6), flags: \
             0x5000: not a directory: unknown: Are you trying to mount a directory onto a file (or \
             vice-versa)? Check if the specified host path exists and is the expected type"
        ),
        Some(RefusalCause::PathIsFile),
    ),
    (
        CREATE,
        400,
        "invalid mount config for type \"bind\": bind source path does not exist: /nosuch",
        Some(RefusalCause::HostPath),
    ),
    (
        START,
        500,
        "could not select device driver \"\" with capabilities: [[gpu]]",
        Some(RefusalCause::GpuDriver),
    ),
    (
        START,
        500,
        "error gathering device information while adding custom device \"/dev/none\": no such file \
         or directory",
        Some(RefusalCause::Device),
    ),
    (
        START,
        500,
        "error gathering device information while adding custom device \"/etc/passwd\": not a \
         device node",
        Some(RefusalCause::Device),
    ),
    (START, 500, "invalid device cgroup rule format: 'nonsense'", Some(RefusalCause::Device)),
    (START, 404, "network nonexistent-net not found", Some(RefusalCause::Network)),
    // By `network_mode`, by `ipcmode`, `pid_mode` and `volumes_from`, and by `links`.
    (START, 404, "No such container: nonexistent", Some(RefusalCause::Container)),
    (CREATE, 400, "No such container: nonexistent", Some(RefusalCause::Container)),
    (
        CREATE,
        400,
        "could not get container for nonexistent: No such container: nonexistent",
        Some(RefusalCause::Container),
    ),
    (
        START,
        409,
        "cannot join network of a non running container: c71f33812ab0",
        Some(RefusalCause::ContainerNotRunning),
    ),
    (START, 500, "container c71f33812ab0 is not running", Some(RefusalCause::ContainerNotRunning)),
    (
        START,
        500,
        runc!("sysctl \"vm.swappiness\" is not in a separate kernel namespace"),
        Some(RefusalCause::Sysctl),
    ),
    (
        START,
        500,
        runc!("sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace"),
        Some(RefusalCause::Sysctl),
    ),
    (
        START,
        400,
        runc!(
            "unable to start container process: error during container init: open \
             /proc/sys/net/none/such: no such file or directory"
        ),
        Some(RefusalCause::Sysctl),
    ),
    (
        START,
        500,
        runc!(
            "unable to start container process: error during container init: write \
             /proc/sys/net/ipv4/ip_forward: invalid argument"
        ),
        Some(RefusalCause::Sysctl),
    ),
    (CREATE, 400, "Unknown runtime specified kata", Some(RefusalCause::Runtime)),
    (
        START,
        500,
        "driver failed programming external connectivity on endpoint dreamy_lewin (7c38): Error \
         starting userland proxy: listen tcp4 0.0.0.0:42505: bind: address already in use",
        Some(RefusalCause::PortInUse),
    ),
    (CREATE, 400, "Minimum memory limit allowed is 6MB", Some(RefusalCause::Memory)),
    (
        CREATE,
        400,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
        Some(RefusalCause::Memory),
    ),
    (
        CREATE,
        400,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
        Some(RefusalCause::Memory),
    ),
    (
        CREATE,
        400,
        "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
        Some(RefusalCause::Cpu),
    ),
    (
        CREATE,
        400,
        "Requested CPUs are not available - requested 100, available: 0-1",
        Some(RefusalCause::Cpu),
    ),
    (CREATE, 400, "Invalid value a for cpuset cpus: invalid format: a", Some(RefusalCause::Cpu)),
    (
        CREATE,
        400,
        "Requested memory nodes are not available - requested 9, available: 0",
        Some(RefusalCause::Cpu),
    ),
    (CREATE, 400, "CPU cfs quota can not be less than 1ms (i.e. 1000)", Some(RefusalCause::Cpu)),
    (
        START,
        500,
        runc!(
            "unable to start container process: error during container init: error setting cgroup \
             config for procHooks process: the minimum allowed cpu-shares is 2"
        ),
        Some(RefusalCause::Cpu),
    ),
    (
        CREATE,
        400,
        "invalid CapAdd: unknown capability: \"CAP_NONSENSE\"",
        Some(RefusalCause::Capability),
    ),
    (
        CREATE,
        400,
        "invalid CapDrop: unknown capability: \"CAP_NONSENSE\"",
        Some(RefusalCause::Capability),
    ),
    (
        START,
        500,
        "Decoding seccomp profile failed: invalid character '/' looking for beginning of value",
        Some(RefusalCause::SecurityProfile),
    ),
    (
        START,
        500,
        runc!("string NOPE is not a valid action for seccomp"),
        Some(RefusalCause::SecurityProfile),
    ),
    (CREATE, 500, "invalid --security-opt 1: \"nonsense\"", Some(RefusalCause::SecurityProfile)),
    (
        START,
        500,
        runc!(
            "unable to start container process: error during container init: error setting rlimits \
             for ready process: error setting rlimit type 7: invalid argument"
        ),
        Some(RefusalCause::Ulimit),
    ),
    (START, 500, runc!("wrong rlimit value: RLIMIT_NONSENSE"), Some(RefusalCause::Ulimit)),
    (
        CREATE,
        400,
        "error looking up logging plugin nonsense: plugin \"nonsense\" not found",
        Some(RefusalCause::LogDriver),
    ),
    (
        CREATE,
        400,
        "unknown log opt 'nonsense' for json-file log driver",
        Some(RefusalCause::LogDriver),
    ),
    (
        START,
        500,
        "failed to initialize logging driver: invalid size: 'x'",
        Some(RefusalCause::LogDriver),
    ),
    (CREATE, 400, "No command specified", Some(RefusalCause::NoCommand)),
    (START, 500, "address nonsense: invalid MAC address", Some(RefusalCause::Setting)),
    (
        START,
        500,
        runc!(
            "unable to start container process: error during container init: sethostname: invalid \
             argument"
        ),
        Some(RefusalCause::Setting),
    ),
    (CREATE, 400, "bad format for add-host: \"x\"", Some(RefusalCause::Setting)),
    (CREATE, 400, "invalid IP address in add-host: \"nonsense\"", Some(RefusalCause::Setting)),
    (START, 500, "invalid tmpfs option [\"nonsense\" \"1\"]", Some(RefusalCause::Setting)),
    (START, 500, "Invalid IPC mode: nonsense", Some(RefusalCause::Setting)),
    (
        CREATE,
        500,
        "Invalid isolation: \"hyperv\" - linux only supports 'default'",
        Some(RefusalCause::Setting),
    ),
    (
        CREATE,
        400,
        "Invalid value 2000, range for oom score adj is [-1000, 1000]",
        Some(RefusalCause::Setting),
    ),
    // These are errors of their own, or not known.
    (START, 500, "unable to find user nosuch: no matching entries in passwd file", None),
    (CREATE, 404, "No such image: nosuch:1", None),
    (
        START,
        400,
        runc!(
            "unable to start container process: exec: \"/nosuch\": stat /nosuch: no such file or \
             directory"
        ),
        None,
    ),
    (
        START,
        400,
        runc!("unable to start container process: exec: \"/etc/passwd\": permission denied"),
        None,
    ),
    (
        CREATE,
        404,
        "create x: error looking up volume plugin nosuch: plugin \"nosuch\" not found",
        None,
    ),
];

/// Words of later engines and of Podman, as they are known from their sources and from reports.
const LATER: &[(Operation, u16, &str, RefusalCause)] = &[
    (CREATE, 400, "unknown or invalid runtime name: kata", RefusalCause::Runtime),
    (
        CREATE,
        500,
        "unable to find network with name or ID x: network not found",
        RefusalCause::Network,
    ),
    (
        START,
        500,
        runc!("unable to start container process: exec: \"/bin/sh\": argument list too long"),
        RefusalCause::ArgumentsTooLong,
    ),
    (
        START,
        500,
        runc!(
            "unable to start container process: error during container init: unable to apply \
             apparmor profile: apparmor failed to apply profile: write \
             /proc/self/attr/apparmor/exec: no such file or directory"
        ),
        RefusalCause::SecurityProfile,
    ),
    (
        START,
        500,
        runc!("container init was OOM-killed (memory limit too low?)"),
        RefusalCause::Memory,
    ),
];

#[test]
fn a_reply_of_the_engine_has_its_cause() {
    for (operation, status, words, expected) in REPLIES {
        let reply = ApiError::from_status(*operation, *status, *words);
        assert_eq!(RefusalCause::of(&reply), *expected, "{words}");
    }
    for (operation, status, words, expected) in LATER {
        let reply = ApiError::from_status(*operation, *status, *words);
        assert_eq!(RefusalCause::of(&reply), Some(*expected), "{words}");
    }
}

#[test]
fn a_permanent_refusal_is_not_called_retryable() {
    for (_, _, words, cause) in REPLIES {
        let Some(cause) = cause else { continue };
        assert_eq!(cause.is_retryable(), *cause == RefusalCause::PortInUse, "{words}");
        assert_eq!(cause.hint().is_none(), *cause == RefusalCause::Setting, "{words}");
        assert!(!cause.hint().unwrap_or_default().contains("prune"), "{words}");
    }
}

#[test]
fn a_full_disk_and_other_operations_have_no_such_cause() {
    let full = "write /proc/sys/x: no space left on device";
    assert_eq!(RefusalCause::of(&ApiError::from_status(START, 500, full)), None);
    let words = "No such container: own";
    for operation in [Operation::AttachContainer, Operation::WaitContainer] {
        assert_eq!(RefusalCause::of(&ApiError::from_status(operation, 404, words)), None);
    }
}

#[test]
fn a_programs_name_is_no_cause() {
    let words = runc!("exec: \"port is already allocated\": executable file not found in $PATH");
    assert_eq!(RefusalCause::of(&ApiError::from_status(START, 400, words)), None);
}

#[test]
fn every_row_of_the_table_is_reached() {
    let seen: std::collections::BTreeSet<_> = REPLIES
        .iter()
        .filter_map(|(.., cause)| *cause)
        .chain(LATER.iter().map(|(.., c)| *c))
        .map(|cause| cause.to_string())
        .collect();
    for (_, cause) in TABLE {
        assert!(seen.contains(&cause.to_string()), "{cause}");
    }
}

#[test]
fn an_image_for_another_platform_names_both() {
    let mismatch = |words: &str| ApiError::from_status(CREATE, 404, words).platform_mismatch();
    let both = |wanted: &str, found: Option<&str>| {
        Some(PlatformMismatch { wanted: wanted.to_owned(), found: found.map(ToOwned::to_owned) })
    };
    let words = "image with reference berth-debian:local was found but does not match the specified \
                 platform: wanted linux/arm64, actual: linux/amd64";
    assert_eq!(mismatch(words), both("linux/arm64", Some("linux/amd64")));
    let words = "image with reference a was found but does not provide the specified platform \
                 (linux/arm64)";
    assert_eq!(mismatch(words), both("linux/arm64", None));
    assert_eq!(mismatch("No such image: nosuch:1"), None);
}

fn start_error(status: u16, words: &str) -> ApiError {
    ApiError::from_status(START, status, words)
}

#[test]
fn a_volume_without_its_directory_is_named() {
    // Measured: the words of Engine 20.10.
    let path = "/var/lib/docker/volumes/cache/_data";
    let words = format!(
        "error evaluating symlinks from mount source \"{path}\": lstat {path}: no such file or directory"
    );
    assert_eq!(start_error(500, &words).lost_volume(), Some("cache"));
    let others = [
        "failed to mount local volume: mount /dev/none:/v/cache/_data, flags: 0x1000: no such file or directory",
        "lstat /v/cache/_data: permission denied",
        "lstat /v/cache: no such file or directory",
    ];
    for words in others {
        assert_eq!(start_error(500, words).lost_volume(), None, "{words}");
    }
}

#[test]
fn a_missing_network_is_possible_if_something_is_missing_or_a_network_is_named() {
    assert!(start_error(404, "network x not found").may_name_missing_network());
    // The words do not say what is missing: a program or a network.
    assert!(start_error(404, "not found").may_name_missing_network());
    let podman = start_error(500, "unable to find network with name or ID x");
    assert!(podman.may_name_missing_network());
    let image = ApiError::from_status(CREATE, 404, "No such image: x");
    assert!(!image.may_name_missing_network());
    let program = start_error(400, "exec: \"sh\": executable file not found");
    assert!(!program.may_name_missing_network());
    assert!(!start_error(500, "no space left on device").may_name_missing_network());
}

#[test]
fn words_about_programs_and_names_are_questions_to_the_error() {
    let error = |status, words| ApiError::from_status(Operation::CreateContainer, status, words);
    let missing = error(400, "exec: \"/x\": stat /x: no such file or directory: unknown");
    assert!(missing.names_missing_program() && missing.names_a_program());
    let podman = error(500, "crun: executable file `x` not found in $PATH");
    assert!(podman.names_a_program() && !podman.names_missing_program());
    assert!(!error(500, "no such file or directory").names_missing_program());
    let taken = "The container name \"/berth-b1\" is already in use";
    assert!(error(409, taken).is_container_name_taken("berth-b1"));
    assert!(!error(409, taken).is_container_name_taken("berth-h1"));
    assert!(!error(500, taken).is_container_name_taken("berth-b1"));
}
