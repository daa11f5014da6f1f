//! What keys of a `config.toml` do, seen from inside a container or by who inspects it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod helpers;

use std::{collections::BTreeMap, process::Output};

use helpers::{Project, WAIT, docker, docker_says, stderr, stdout, unique, variable};

/// A job of one script in the small image.
fn job(script: &str) -> String {
    job_of(&format!("{:?}", variable("BERTH_E2E_IMAGE")), script)
}

fn job_of(image: &str, script: &str) -> String {
    format!("image = {image}\n[[steps]]\nname = \"look\"\nscript = '''\n{script}\n'''")
}

/// The lines `key=value` of a job that succeeded.
#[track_caller]
fn seen(output: &Output) -> BTreeMap<String, String> {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let text = stdout(output);
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn assert_seen(output: &Output, expected: &[(&str, &str)]) {
    let seen = seen(output);
    for (key, value) in expected {
        assert_eq!(seen.get(*key).map(String::as_str), Some(*value), "{key}: {seen:?}");
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn limits_on_resources_are_in_effect() {
    let project = Project::new("limits");
    // Of control groups there are two versions, with files of other names.
    let script = "
        of() { (cat /sys/fs/cgroup/$1 2> /dev/null || cat /sys/fs/cgroup/$2) | tr ' ' /; }
        [ -e /sys/fs/cgroup/cgroup.controllers ] && echo version=2 || echo version=1
        echo memory=$(of memory/memory.limit_in_bytes memory.max)
        echo memory_swap=$(of memory/memory.memsw.limit_in_bytes memory.swap.max)
        echo memory_reservation=$(of memory/memory.soft_limit_in_bytes memory.low)
        echo cpus=$(of cpu/cpu.cfs_quota_us cpu.max)
        echo cpu_shares=$(of cpu/cpu.shares cpu.weight)
        echo cpuset_cpus=$(of cpuset/cpuset.cpus cpuset.cpus)
        echo cpuset_mems=$(of cpuset/cpuset.mems cpuset.mems)
        echo pids_limit=$(of pids/pids.max pids.max)
        echo ulimit=$(ulimit -Sn):$(ulimit -Hn)
        echo oom_score_adjust=$(cat /proc/self/oom_score_adj)
        echo shm_size=$(df -k /dev/shm | awk 'END { print $2 }')
        echo tmpfs=$(df -k /scratch | awk 'END { print $1, $2 }')
        echo sysctls=$(cat /proc/sys/kernel/msgmax)";
    let config = "
        memory = \"64m\"
        memory_swap = \"96m\"
        memory_reservation = \"32m\"
        cpus = \"1/2\"
        cpu_shares = 512
        cpuset_cpus = \"0\"
        cpuset_mems = \"0\"
        ulimit = { nofile = \"1234:2345\" }
        oom_score_adjust = 300
        shm_size = 33554432
        tmpfs = { \"/scratch\" = \"size=5m\" }
        sysctls = { \"kernel.msgmax\" = \"9999\" }
        [runners.berth]
        pids_limit = 77";
    let output = project.run(&job(script), Some(config));
    assert_seen(
        &output,
        &[
            ("memory", "67108864"),
            ("memory_reservation", "33554432"),
            ("cpuset_cpus", "0"),
            ("cpuset_mems", "0"),
            ("pids_limit", "77"),
            ("ulimit", "1234:2345"),
            ("oom_score_adjust", "300"),
            ("shm_size", "32768"),
            ("tmpfs", "tmpfs 5120"),
            ("sysctls", "9999"),
        ],
    );
    let by_version = match seen(&output)["version"].as_str() {
        "1" => [("memory_swap", "100663296"), ("cpus", "50000"), ("cpu_shares", "512")],
        _ => [("memory_swap", "33554432"), ("cpus", "50000/100000"), ("cpu_shares", "20")],
    };
    assert_seen(&output, &by_version);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn who_a_job_is_and_whom_it_knows_is_configured() {
    let project = Project::new("who");
    let script = "
        echo user=$(id -u):$(id -g)
        echo group_add=$(id -G)
        echo hostname=$(hostname)
        echo dns=$(grep nameserver /etc/resolv.conf)
        echo dns_search=$(grep search /etc/resolv.conf)
        echo extra_hosts=$(grep 192.0.2.7 /etc/hosts)";
    let config = "
        user = \"1234:2345\"
        group_add = [\"4242\"]
        hostname = \"the-host\"
        dns = [\"192.0.2.53\"]
        dns_search = [\"example.test\"]
        extra_hosts = [\"there:192.0.2.7\"]";
    let output = project.run(&job(script), Some(config));
    assert_seen(
        &output,
        &[
            ("user", "1234:2345"),
            ("group_add", "2345 4242"),
            ("hostname", "the-host"),
            ("dns", "nameserver 192.0.2.53"),
            ("dns_search", "search example.test"),
            ("extra_hosts", "192.0.2.7 there"),
        ],
    );
    project.assert_nothing_left();
}

/// Whether a bit of the bounding set is there.
fn may(output: &Output, capability: u32) -> bool {
    let bounding = u64::from_str_radix(&seen(output)["capabilities"], 16).unwrap();
    bounding & (1 << capability) != 0
}

const CHOWN: u32 = 0;
const NET_ADMIN: u32 = 12;
const SYS_ADMIN: u32 = 21;

const RIGHTS: &str = "
    echo capabilities=$(awk '/CapBnd/ { print $2 }' /proc/self/status)
    echo no_new_privileges=$(awk '/NoNewPrivs/ { print $2 }' /proc/self/status)
    echo device=$(stat -c '%t:%T' /dev/nought 2> /dev/null)
    echo interfaces=$(ls /sys/class/net)
    echo shared_memory=$(grep -c ' /dev/shm ' /proc/mounts)
    echo first=$(cat /proc/1/comm)";

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_a_job_may_is_configured() {
    let project = Project::new("rights");
    let plain = project.run(&job(RIGHTS), Some(""));
    assert!(may(&plain, CHOWN) && !may(&plain, NET_ADMIN) && !may(&plain, SYS_ADMIN));
    assert_seen(&plain, &[("no_new_privileges", "1"), ("device", ""), ("shared_memory", "1")]);
    let own_first = seen(&plain)["first"].clone();

    let config = "
        cap_add = [\"NET_ADMIN\"]
        cap_drop = [\"CHOWN\"]
        devices = [\"/dev/null:/dev/nought:r\"]
        network_mode = \"none\"
        ipcmode = \"none\"";
    let output = project.run(&job(RIGHTS), Some(config));
    assert!(!may(&output, CHOWN), "cap_drop");
    assert!(may(&output, NET_ADMIN), "cap_add");
    assert_seen(
        &output,
        &[
            ("device", "1:3"),
            ("interfaces", "lo"),
            ("shared_memory", "0"),
            ("no_new_privileges", "1"),
        ],
    );

    let config = "privileged = true\nsecurity_opt = [\"no-new-privileges:false\"]";
    let output = project.run(&job(RIGHTS), Some(config));
    // An engine that is itself in a container may have less to give.
    let image = variable("BERTH_E2E_IMAGE");
    if docker(&["run", "--rm", "--privileged", &image, "true"]).status.success() {
        assert!(may(&output, SYS_ADMIN), "privileged");
        assert_seen(&output, &[("no_new_privileges", "0")]);
    } else {
        assert_eq!((output.status.code(), stdout(&output)), (Some(125), String::new()));
        assert!(stderr(&output).contains("could not start"), "{}", stderr(&output));
    }
    let output = project.run(&job(RIGHTS), Some("security_opt = [\"no-new-privileges:false\"]"));
    assert_seen(&output, &[("no_new_privileges", "0")]);

    let output = project.run(&job(RIGHTS), Some("pid_mode = \"host\""));
    assert_ne!(seen(&output)["first"], own_first, "pid_mode");
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn what_only_the_engine_shows_is_configured() {
    let project = Project::new("inspect");
    let config = "
        container_labels = { team = \"of $PART\" }
        log_options = { env = \"PART\" }
        device_cgroup_rules = [\"c 42:7 rmw\"]
        runtime = \"runc\"
        userns_mode = \"host\"";
    let job = format!("variables.PART = \"tests\"\n{}", job(WAIT));
    let running = project.start(&job, Some(config));
    let shown = [
        ("{{index .Config.Labels \"team\"}}", "of tests"),
        ("{{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config.env}}", "json-file PART"),
        ("{{.HostConfig.DeviceCgroupRules}}", "[c 42:7 rmw]"),
        ("{{.HostConfig.Runtime}}", "runc"),
        ("{{.HostConfig.UsernsMode}}", "host"),
        ("{{.HostConfig.PidsLimit}}", "4096"),
        ("{{.HostConfig.SecurityOpt}}", "[no-new-privileges]"),
    ];
    let shown = shown.map(|(format, expected)| (running.inspect("build", format), expected));
    let output = running.finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for (found, expected) in shown {
        assert_eq!(found, expected);
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn volumes_of_the_configuration_are_mounted_and_caches_can_be_disabled() {
    let project = Project::new("volumes");
    let script = "
        echo cache=$(cat /cache/left 2> /dev/null); echo warm > /cache/left
        echo host=$(awk '$2 == \"/there\" { print substr($4, 1, 2) }' /proc/mounts)";
    let config = "volumes = [\"/cache\", \"/etc:/there:ro\"]";
    let disabled = format!("{config}\ndisable_cache = true");
    for (config, cache) in [(config, ""), (config, "warm"), (&disabled, "")] {
        let output = project.run(&job(script), Some(config));
        assert_seen(&output, &[("cache", cache), ("host", "ro")]);
    }
    let volumes = project.objects("volume");
    assert_eq!(volumes.len(), 1, "the cache alone");
    docker_says(&["volume", "rm", &volumes[0]]);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn the_configuration_mounts_over_what_the_kernel_shows() {
    let project = Project::new("system");
    let config = "volumes = [\"/sys/fs/cgroup:/sys/fs/cgroup:ro\", \"/dev/shm:/dev/shm\", \"/dev:/dev\"]\n\
                  dns_search = [\"\"]\nextra_hosts = [\"mirror=192.0.2.7\", \"six:[2001:db8::1]\"]";
    let script = "
        echo dev=$(awk '$2 == \"/dev\" { print $1; exit }' /proc/mounts)
        echo shm=$(awk '$2 == \"/dev/shm\" { print $1; exit }' /proc/mounts)
        echo group=$(awk '$2 == \"/sys/fs/cgroup\" { print substr($4, 1, 2); exit }' /proc/mounts)
        echo search=$(awk '$1 == \"search\" { print $2 }' /etc/resolv.conf)
        echo mirror=$(awk '$2 == \"mirror\" { print $1 }' /etc/hosts)
        echo six=$(awk '$2 == \"six\" { print $1 }' /etc/hosts)";
    let output = project.run(&job(script), Some(config));
    assert_seen(
        &output,
        &[
            ("dev", "devtmpfs"),
            ("shm", "tmpfs"),
            ("group", "ro"),
            ("search", ""),
            ("mirror", "192.0.2.7"),
            ("six", "2001:db8::1"),
        ],
    );
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn scripts_of_the_configuration_run_around_a_jobs() {
    let project = Project::new("scripts");
    let file = "[[runners]]\r\nexecutor = \"docker\"\r\n\
                pre_get_sources_script = \"echo sources=before\"\r\n\
                pre_build_script = \"\"\"\r\nexport A=\"it's\"\r\n[ -f /none ] && x\r\n\"\"\"\r\n\
                post_build_script = \"echo after=$A-$B\"\r\n";
    let config = project.write("admin.toml", &format!("\u{feff}{file}"));
    let config = ["--config", config.to_str().unwrap()];
    let run = |script: &str| project.command(&job(script), None, &config).output().unwrap();
    let output = run("echo before=$A; B=own");
    assert_seen(&output, &[("sources", "before"), ("before", "it's"), ("after", "it's-own")]);
    for (script, code) in [("exit 5", 5), ("set +e; (exit 7)", 7), ("false && true", 1)] {
        let output = run(script);
        assert_eq!(output.status.code(), Some(code), "{script}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("after="), "{script}");
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_cache_directory_keeps_caches_on_the_engines_host() {
    let project = Project::new("directory");
    let folder = unique("berth-e2e-caches");
    let config = format!("cache_dir = \"/tmp/{folder}\"\nvolumes = [\"/cache\"]");
    let script = "echo cache=$(cat /cache/left 2> /dev/null); echo warm > /cache/left";
    let outputs = [0, 1].map(|_| project.run(&job(script), Some(&config)));
    let image = variable("BERTH_E2E_IMAGE");
    let remove = format!("rm -r /host/{folder}");
    docker_says(&["run", "--rm", "--volume", "/tmp:/host", &image, "sh", "-c", &remove]);
    assert_seen(&outputs[0], &[("cache", "")]);
    assert_seen(&outputs[1], &[("cache", "warm")]);
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn anonymous_volumes_stay_only_when_they_are_to_be_kept() {
    let project = Project::new("anonymous");
    let image = format!("{:?}", variable("BERTH_E2E_POSTGRES_IMAGE"));
    for (config, kept) in [("", false), ("volume_keep = true", true)] {
        let running = project.start(&job_of(&image, WAIT), Some(config));
        let volume = running.inspect("build", "{{range .Mounts}}{{.Name}}{{end}}");
        let output = running.finish();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let removed = docker(&["volume", "rm", &volume]).status.success();
        assert_eq!(removed, kept, "{config:?}: {volume}");
    }
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_jobs_entrypoint_runs_before_the_shell_unless_that_is_disabled() {
    let project = Project::new("entrypoint");
    let name = variable("BERTH_E2E_IMAGE");
    let image = format!("{{ name = {name:?}, entrypoint = [\"env\", \"BY=entrypoint\"] }}");
    let job = job_of(&image, "echo by=$BY");
    assert_seen(&project.run(&job, Some("")), &[("by", "entrypoint")]);
    let output = project.run(&job, Some("disable_entrypoint_overwrite = true"));
    assert_seen(&output, &[("by", "")]);
    assert!(stderr(&output).contains("entrypoint"), "{}", stderr(&output));
    project.assert_nothing_left();
}
