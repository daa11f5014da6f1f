//! Jobs that mean harm, on a real engine: secrets that should stay secret, links where a cache belongs,
//! and floods.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "no runtime here: a thread asks the engine on and on"
)]

mod canary;
mod helpers;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use canary::{canary, found};
use helpers::{Project, WAIT, docker, docker_says, stderr, stdout, unique, variable};

/// The command lines of all processes of this host, which everybody may read.
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// All that an engine shows of a project's objects.
fn shown(project: &Project) -> String {
    let mut all = Vec::new();
    for kind in ["container", "network", "volume"] {
        for object in project.objects(kind) {
            all.push(docker_says(&[kind, "inspect", &object]));
        }
    }
    all.push(docker_says(&["ps", "--all", "--no-trunc"]));
    all.push(docker_says(&["volume", "ls", "--format", "{{.Name}} {{.Labels}}"]));
    all.push(docker_says(&["network", "ls", "--format", "{{.Name}} {{.Labels}}"]));
    all.push(docker_says(&["image", "ls", "--no-trunc"]));
    all.join("\n")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    files
}

fn seconds() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string()
}

/// A job that prints its secrets, from files and variables, in each of its containers.
fn job_that_prints(secrets: &[String]) -> String {
    let variables: String = (9..13)
        .map(|n| format!("MASKED_{n} = {{ value = {:?}, masked = true }}\n", secrets[n]))
        .chain((13..17).map(|n| {
            format!(
                "MASKED_FILE_{n} = {{ value = {:?}, masked = true, file = true }}\n",
                secrets[n]
            )
        }))
        .collect();
    let auth = serde_json::json!({
        "auths": { "registry.invalid": { "username": "u", "password": secrets[17] } }
    });
    let image = variable("BERTH_E2E_IMAGE");
    let echoes = "set; for n in 0 1 2 3 13 14 15 16; do \
                  eval \"f=\\${FILE_$n:-\\$MASKED_FILE_$n}\"; cat \"$f\"; cat \"$f\" >&2; echo; done";
    format!(
        "image = {image:?}\nvolumes = [\"/cache\"]\n\
         after_script = '''{echoes}'''\n\
         [variables]\n{variables}\
         DOCKER_AUTH_CONFIG = {{ value = {:?}, masked = true }}\n\
         [[registries]]\nregistry = \"registry.invalid:5000\"\nusername = \"u\"\npassword = {:?}\n\
         [[registries]]\nregistry = \"localhost:1\"\nusername = {:?}\npassword = {:?}\n\
         [[steps]]\nname = \"build\"\nscript = '''{WAIT}\n{echoes}'''\n\
         [[steps]]\nname = \"helper\"\ncontainer = \"helper\"\nscript = '''{echoes}'''\n",
        auth.to_string(),
        secrets[18],
        "u",
        secrets[19],
    )
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn secrets_by_every_way_there_is_show_nowhere() {
    let begin = seconds();
    let mut project = Project::new("canaries");
    let secrets: Vec<String> = (0..20).map(|number| canary(&number.to_string())).collect();
    let state = tempfile::tempdir().unwrap();
    let files: Vec<String> = (0..4)
        .map(|number| {
            let path = state.path().join(format!("given-{number}"));
            fs::write(&path, &secrets[number]).unwrap();
            format!("FILE_{number}={}", path.display())
        })
        .collect();
    let mut more =
        vec!["--report".to_owned(), project.folder().join("report.json").display().to_string()];
    for file in &files {
        more.extend(["--secret-file".to_owned(), file.clone()]);
    }
    for (number, secret) in secrets.iter().enumerate().take(9).skip(4) {
        let name = format!("FROM_HERE_{number}");
        project.set(&name, secret);
        more.extend(["--secret".to_owned(), name]);
    }
    project.set("BERTH_LOG", "trace");
    project.set("RUST_LOG", "trace");
    let own_state = state.path().join("state");
    project.set("BERTH_STATE_DIR", own_state.to_str().unwrap());
    let job = job_that_prints(&secrets);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let running = project.start_with(&job, None, &more);
    let before = format!("{}\n{}", shown(&project), command_lines());
    assert!(before.contains("dev.berth.run") && before.contains("berth"), "the right project");
    assert_eq!(found(&before, &secrets), [""; 0], "while the job runs");
    let output = running.finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let log = stdout(&output);
    assert!(log.matches("[MASKED]").count() >= 3 * 17, "the job has had them: {log}");
    let raw: Vec<_> = secrets.iter().filter(|secret| log.contains(*secret)).collect();
    assert_eq!(raw, [""; 0], "in the job's log");
    let own = stderr(&output);
    assert!(own.contains("docker_api_trait"), "the log is at its loudest: {own}");
    assert_eq!(found(&own, &secrets), [""; 0], "in the program's own words");
    let events = docker_says(&[
        "events",
        "--since",
        &begin,
        "--until",
        &seconds(),
        "--format",
        "{{json .}}",
    ]);
    assert!(events.contains(&project.name), "the events are those of the job");
    assert_eq!(found(&events, &secrets), [""; 0], "in the engine's events");
    assert_eq!(found(&shown(&project), &secrets), [""; 0], "in what is left");
    let report = fs::read_to_string(project.folder().join("report.json")).unwrap();
    assert_eq!(found(&report, &secrets), [""; 0], "in the report");
    let kept = files_below(&own_state);
    assert!(!kept.is_empty(), "the evidence of life");
    for file in kept {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert_eq!(found(&text, &secrets), [""; 0], "{}", file.display());
    }
    for volume in project.objects("volume") {
        docker_says(&["volume", "rm", "--force", &volume]);
    }
    project.assert_nothing_left();
}

/// What is documented: a program without a shell, and a service, have them in their environment.
#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_secret_of_a_service_shows_on_the_engine_in_that_container_alone() {
    let project = Project::new("shown");
    let secrets = [canary("service")];
    let image = variable("BERTH_E2E_IMAGE");
    let job = format!(
        "image = {image:?}\n[variables]\nPASSWORD = {{ value = {:?}, masked = true }}\n\
         [[services]]\nimage = {{ name = {image:?}, entrypoint = [\"sleep\"] }}\ncommand = [\"600\"]\n\
         aliases = [\"s\"]\nvariables = {{ PASSWORD = \"$PASSWORD\" }}\n\
         [[steps]]\nname = \"build\"\nscript = '''{WAIT}'''\n",
        secrets[0]
    );
    let running = project.start(&job, None);
    for (kind, shows) in [("build", false), ("service", true)] {
        let seen = docker_says(&["inspect", &running.container(kind)]);
        assert_eq!(!found(&seen, &secrets).is_empty(), shows, "{kind}");
    }
    assert_eq!(found(&command_lines(), &secrets), [""; 0]);
    let networks = project.objects("network");
    let networks = networks.iter().map(|network| docker_says(&["network", "inspect", network]));
    assert_eq!(found(&networks.collect::<String>(), &secrets), [""; 0]);
    let output = running.finish();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    project.assert_nothing_left();
}

/// An image with links, one beside the other, gone with this.
struct Linked(String);

impl Linked {
    fn new(links: &[(&str, &str)]) -> Self {
        let name = format!("berth-e2e/{}:1", unique("linked"));
        let folder = tempfile::tempdir().unwrap();
        let commands: Vec<_> =
            links.iter().map(|(at, to)| format!("ln -s '{to}' '{at}'")).collect();
        let text = format!(
            "FROM {}\nUSER 0\nRUN mkdir -p /deep/er /srv && {}\n",
            variable("BERTH_E2E_IMAGE"),
            commands.join(" && ")
        );
        fs::write(folder.path().join("Dockerfile"), text).unwrap();
        let folder = folder.path().to_str().unwrap();
        docker_says(&["build", "--quiet", "--network", "none", "--tag", &name, folder]);
        Self(name)
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.0]);
    }
}

/// Links at, and on the way to, a cache's destination.
const LINKS: [(&str, &str); 20] = [
    ("/l-etc", "/etc"),
    ("/l-climbs", "../../../../../../etc"),
    ("/l-root", "/"),
    ("/l-dot", "."),
    ("/l-proc-root", "/proc/self/root"),
    ("/l-proc-one", "/proc/1/root/etc"),
    ("/l-proc-cwd", "/proc/self/cwd"),
    ("/l-proc-fd", "/proc/self/fd/3"),
    ("/l-proc", "/proc"),
    ("/l-sys", "/sys"),
    ("/l-dev", "/dev"),
    ("/l-shm", "/dev/shm"),
    ("/l-run", "/run"),
    ("/l-socket", "/var/run/docker.sock"),
    ("/l-engine", "/var/lib/docker"),
    ("/l-nowhere", "/nonexistent/far/away"),
    ("/l-loop", "/l-loop"),
    ("/l-chain", "/l-climbs"),
    ("/l-file", "/bin/busybox"),
    ("/deep/er/up", "../../.."),
];

/// What a host would show of a file that got out.
fn assert_not_on_the_host(mark: &str) {
    for folder in
        ["/", "/etc", "/run", "/dev", "/dev/shm", "/sys", "/var/run", "/var/lib/docker", "/srv"]
    {
        assert!(!Path::new(folder).join(mark).exists(), "{mark} is in {folder} of the host");
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_link_at_a_caches_destination_leads_nowhere_but_into_the_container() {
    let image = Linked::new(&LINKS);
    let modes = |path: &str| {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(path).unwrap();
        (metadata.mode(), metadata.uid(), metadata.ino())
    };
    let guarded = ["/", "/etc", "/run", "/dev", "/dev/shm", "/proc", "/sys"];
    let before = guarded.map(modes);
    let (mut ran, mut refused) = (Vec::new(), Vec::new());
    for (at, to) in LINKS {
        for destination in [at.to_owned(), format!("{at}/below")] {
            let project = Project::new("linked");
            let mark = unique("mark");
            let job = format!(
                "image = {:?}\nvolumes = [{destination:?}]\n\
                 [[steps]]\nname = \"write\"\nscript = '''echo x > {destination}/{mark} || true'''\n",
                image.0
            );
            let output = project.run(&job, None);
            let errors = stderr(&output);
            assert_not_on_the_host(&mark);
            assert_eq!(guarded.map(modes), before, "{destination} -> {to}");
            match output.status.code() {
                Some(0) => ran.push(destination.clone()),
                // The engine, or the runtime, will not have it; said as our failure, with its words.
                Some(125) => {
                    assert!(errors.contains("berth: error: "), "{destination} -> {to}: {errors}");
                    refused.push(destination.clone());
                }
                code => panic!("{destination} -> {to}: {code:?}: {errors}"),
            }
            assert_eq!(project.objects("container"), [""; 0], "{destination}");
            for volume in project.objects("volume") {
                docker_says(&["volume", "rm", "--force", &volume]);
            }
        }
    }
    println!("ran: {ran:?}\nrefused: {refused:?}");
    // A link at a usual place works, so that an image may have one.
    assert!(ran.contains(&"/l-run".to_owned()) && ran.contains(&"/l-etc".to_owned()), "{ran:?}");
}

/// What the engine took at most to answer while something else went on.
struct Pulse {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<(usize, Duration)>,
}

impl Pulse {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut beats, mut longest) = (0, Duration::ZERO);
            while !stopped.load(Ordering::SeqCst) {
                let begin = Instant::now();
                docker_says(&["ps", "--quiet"]);
                longest = longest.max(begin.elapsed());
                beats += 1;
                thread::sleep(Duration::from_millis(50));
            }
            (beats, longest)
        });
        Self { stop, thread }
    }

    /// The engine has answered all along, and never took so long that it could be called dead: how busy
    /// others keep it is not what a flood is judged by.
    #[track_caller]
    fn assert_alive(self, what: &str) {
        self.stop.store(true, Ordering::SeqCst);
        let (beats, longest) = self.thread.join().unwrap();
        assert!(beats > 0 && longest < Duration::from_mins(1), "{what}: {longest:?}");
    }
}

/// Runs a script in the e2e image while the engine's pulse is felt.
#[track_caller]
fn flood(
    what: &str,
    script: &str,
    docker: Option<&str>,
    more: &[&str],
) -> (Option<i32>, String, String) {
    let project = Project::new("flood");
    let image = variable("BERTH_E2E_IMAGE");
    let job = format!(
        "image = {image:?}\ntimeout = \"10m\"\n[[steps]]\nname = \"flood\"\nscript = '''\n{script}\n'''\n"
    );
    let pulse = Pulse::begin();
    let output = project.command(&job, docker, more).output().unwrap();
    pulse.assert_alive(what);
    assert_eq!(project.objects("container"), [""; 0], "{what}");
    for volume in project.objects("volume") {
        docker_says(&["volume", "rm", "--force", &volume]);
    }
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_container_is_bound_by_default_in_processes_and_rights() {
    let project = Project::new("bounds");
    let image = variable("BERTH_E2E_IMAGE");
    let job = format!("image = {image:?}\n[[steps]]\nname = \"s\"\nscript = '''{WAIT}'''\n");
    let running = project.start(&job, None);
    let host = |field: &str| running.inspect("build", &format!("{{{{json .HostConfig.{field}}}}}"));
    assert_eq!(host("PidsLimit"), "4096");
    assert_eq!(host("SecurityOpt"), "[\"no-new-privileges\"]");
    for (field, value) in [
        ("Privileged", "false"),
        ("CapAdd", "null"),
        ("PidMode", "\"\""),
        ("UTSMode", "\"\""),
        ("Binds", "null"),
        ("VolumesFrom", "null"),
        ("PublishAllPorts", "false"),
        ("Devices", "null"),
        ("PortBindings", "null"),
    ] {
        assert!([value, "[]", "{}"].contains(&host(field).as_str()), "{field}: {}", host(field));
    }
    assert_eq!(running.finish().status.code(), Some(0));
    project.assert_nothing_left();
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_fork_bomb_meets_its_bound_and_the_engine_lives() {
    let bound = "[runners.berth]\npids_limit = 64\n";
    let bomb = "bomb() { bomb | bomb & }; bomb; sleep 3; echo over";
    let (code, _, errors) = flood("fork bomb", bomb, Some(bound), &[]);
    // The shell itself may fail to fork; whatever it says, it is the job's own failure.
    assert!(code.is_some_and(|code| code != 124), "{code:?}: {errors}");
    let count = "i=0; while [ $i -lt 200 ]; do sleep 20 & i=$((i+1)); done; echo all";
    let (code, log, errors) = flood("forks", count, Some(bound), &[]);
    assert!(code != Some(0) && !log.contains("all"), "{code:?}: {log}{errors}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn memory_beyond_the_bound_kills_the_script_alone() {
    let (code, _, errors) =
        flood("memory", "tail /dev/zero; exit 7", Some("memory = \"48m\"\n"), &[]);
    assert!(matches!(code, Some(7 | 137)), "{code:?}: {errors}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn busy_processors_meet_the_bound_of_the_configuration() {
    // Where the kernel tells a container of its bound, by the two versions of control groups.
    let script = "for n in 1 2 3 4; do (while :; do :; done) & done; sleep 3; cd /sys/fs/cgroup; \
                  cat cpu.max 2>/dev/null || echo $(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us); \
                  for n in 1 2 3 4; do kill %$n; done";
    let (code, log, errors) = flood("processors", script, Some("cpus = \"0.5\"\n"), &[]);
    assert_eq!((code, log.as_str()), (Some(0), "50000 100000\n"), "{errors}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn ten_thousand_processes_one_after_another_are_nobodys_trouble() {
    let script = "i=0; while [ $i -lt 10000 ]; do (:); i=$((i+1)); done; echo $i";
    let (code, log, errors) = flood("processes", script, None, &[]);
    assert_eq!((code, log.as_str()), (Some(0), "10000\n"), "{errors}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_thousand_connections_at_once_reach_the_jobs_service_and_the_engine_lives() {
    let script = "i=0; while [ $i -lt 1000 ]; do \
                  printf 'PING\\r\\nQUIT\\r\\n' | nc -w 60 cache 6379 >>/replies & \
                  i=$((i+1)); done; wait; grep -c PONG /replies";
    let service = format!("{}=cache", variable("BERTH_E2E_REDIS_IMAGE"));
    let (code, log, errors) = flood("network", script, None, &["--service", &service]);
    assert_eq!(code, Some(0), "{log}{errors}");
    let replies: u32 = log.trim().parse().unwrap_or_else(|_| panic!("{log}{errors}"));
    assert!((900..=1000).contains(&replies), "{replies}: {errors}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn open_files_meet_the_bound_of_the_configuration() {
    let script = "for n in 3 4 5 6 7 8 9; do eval \"exec $n</dev/null\" || exit 9; done; ulimit -n";
    let bound = "[runners.docker.ulimit]\nnofile = \"32:32\"\n";
    let (code, log, errors) = flood("files", script, Some(bound), &[]);
    assert_eq!((code, log.as_str()), (Some(0), "32\n"), "{errors}");
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn endless_output_is_cut_at_the_limit_with_and_without_lines() {
    for (what, script) in [
        ("lines", "yes | head -c 100000000 || true; echo after"),
        ("no line", "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after"),
        ("errors", "yes | head -c 30000000 >&2 || true; yes | head -c 30000000 || true"),
    ] {
        let (code, log, errors) = flood(what, script, None, &["--log-limit", "64KiB"]);
        assert_eq!(code, Some(0), "{what}: {}", &errors[errors.len().saturating_sub(500)..]);
        let both = log.len() + errors.len();
        assert!(both < 80 * 1024, "{what}: {both} bytes");
        assert!(errors.contains("berth: the log is not complete"), "{what}");
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask e2e"]
fn a_hundred_thousand_files_in_a_cache_go_with_it() {
    let script = "mkdir /cache/d; cd /cache/d; i=0; while [ $i -lt 1000 ]; do \
                  touch $i-0 $i-1 $i-2 $i-3 $i-4 $i-5 $i-6 $i-7 $i-8 $i-9; i=$((i+1)); done; \
                  for n in 0 1 2 3 4 5 6 7 8; do cp -r /cache/d /cache/d$n; done; \
                  find /cache -type f | wc -l";
    let more = ["--volume", "/cache", "--no-cache"];
    let (code, log, errors) = flood("files", script, None, &more);
    assert_eq!((code, log.trim()), (Some(0), "100000"), "{errors}");
}
