//! One `docker` line, word by word.

use std::collections::BTreeMap;

use docker_api_trait::{DeviceRequest, HostSettings, Mount, MountSource};

/// A `docker` line that is being written.
pub(super) struct Line(pub(super) Vec<String>);

impl Line {
    pub(super) fn new<const N: usize>(words: [&str; N]) -> Self {
        Self(words.map(str::to_owned).to_vec())
    }

    pub(super) fn word(&mut self, word: &str) {
        self.0.push(word.to_owned());
    }

    /// As one word, so that a value that begins with a dash is not read as an option.
    pub(super) fn option(&mut self, name: &str, value: &str) {
        self.0.push(format!("{name}={value}"));
    }

    pub(super) fn labels(&mut self, labels: &BTreeMap<String, String>) {
        for (key, value) in labels {
            self.option("--label", &format!("{key}={value}"));
        }
    }
}

impl Line {
    /// The options for what a container may have of its host, in the order of the settings.
    pub(super) fn host(&mut self, host: &HostSettings) {
        let numbers = [
            ("--memory", host.memory.map(|bytes| bytes.to_string())),
            ("--memory-swap", host.memory_swap.map(|bytes| bytes.to_string())),
            ("--memory-reservation", host.memory_reservation.map(|bytes| bytes.to_string())),
            ("--oom-score-adj", host.oom_score_adjust.map(|score| score.to_string())),
            ("--shm-size", host.shm_size.map(|bytes| bytes.to_string())),
            ("--cpus", host.nano_cpus.map(cpus)),
            ("--cpu-shares", host.cpu_shares.map(|shares| shares.to_string())),
            ("--pids-limit", host.pids_limit.map(|limit| limit.to_string())),
        ];
        let texts = [
            ("--cpuset-cpus", &host.cpuset_cpus),
            ("--cpuset-mems", &host.cpuset_mems),
            ("--cgroup-parent", &host.cgroup_parent),
            ("--userns", &host.userns_mode),
            ("--ipc", &host.ipc_mode),
            ("--pid", &host.pid_mode),
            ("--network", &host.network_mode),
            ("--runtime", &host.runtime),
            ("--isolation", &host.isolation),
            ("--volume-driver", &host.volume_driver),
        ];
        let lists = [
            ("--device-cgroup-rule", &host.device_cgroup_rules),
            ("--cap-add", &host.cap_add),
            ("--cap-drop", &host.cap_drop),
            ("--security-opt", &host.security_opt),
            ("--group-add", &host.group_add),
            ("--dns", &host.dns),
            ("--dns-search", &host.dns_search),
            ("--add-host", &host.extra_hosts),
            ("--link", &host.links),
            ("--volumes-from", &host.volumes_from),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                self.option(name, &value);
            }
        }
        for (name, value) in texts {
            if let Some(value) = value {
                self.option(name, value);
            }
        }
        for (name, values) in lists {
            for value in values {
                self.option(name, value);
            }
        }
        self.host_pairs(host);
    }

    /// The options whose values have several fields, and the flags.
    fn host_pairs(&mut self, host: &HostSettings) {
        for limit in &host.ulimits {
            self.option("--ulimit", &format!("{}={}:{}", limit.name, limit.soft, limit.hard));
        }
        for device in &host.devices {
            let (host, container) = (&device.host, &device.container);
            self.option("--device", &format!("{host}:{container}:{}", device.permissions));
        }
        for request in &host.device_requests {
            self.option("--gpus", &gpus(request));
        }
        for (key, value) in &host.sysctls {
            self.option("--sysctl", &format!("{key}={value}"));
        }
        for (path, options) in &host.tmpfs {
            self.option("--tmpfs", &format!("{path}:{options}"));
        }
        for (key, value) in &host.storage_opt {
            self.option("--storage-opt", &format!("{key}={value}"));
        }
        if host.privileged {
            self.word("--privileged");
        }
        if host.oom_kill_disable {
            self.word("--oom-kill-disable");
        }
    }
}

fn cpus(nano: u64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn gpus(request: &DeviceRequest) -> String {
    let mut fields = Vec::new();
    if request.ids.is_empty() {
        let count = if request.count < 0 { "all".to_owned() } else { request.count.to_string() };
        fields.push(format!("count={count}"));
    } else {
        fields.push(format!("\"device={}\"", request.ids.join(",")));
    }
    if !request.driver.is_empty() {
        fields.push(format!("driver={}", request.driver));
    }
    if let Some(all) = request.capabilities.first() {
        fields.push(format!("\"capabilities={}\"", all.join(",")));
    }
    fields.join(",")
}

/// A mount in the form of `--mount`, which is a line of CSV.
pub(super) fn fields(mount: &Mount) -> String {
    let mut fields = Vec::new();
    let mut field = |key: &str, value: &str| fields.push(format!("{key}={value}"));
    match &mount.source {
        MountSource::Volume { name, labels, driver, options, no_copy } => {
            field("type", "volume");
            field("source", name.as_str());
            field("target", &mount.destination);
            if mount.read_only {
                field("readonly", "true");
            }
            if *no_copy {
                field("volume-nocopy", "true");
            }
            if let Some(driver) = driver {
                field("volume-driver", driver);
            }
            for (key, value) in options {
                field("volume-opt", &format!("{key}={value}"));
            }
            for (key, value) in labels {
                field("volume-label", &format!("{key}={value}"));
            }
        }
        MountSource::Host { path, propagation, .. } => {
            field("type", "bind");
            field("source", path);
            field("target", &mount.destination);
            if mount.read_only {
                field("readonly", "true");
            }
            if let Some(propagation) = propagation {
                field("bind-propagation", propagation.as_str());
            }
        }
        MountSource::Pipe { path } => {
            field("type", "npipe");
            field("source", path);
            field("target", &mount.destination);
        }
        // No other sort is planned.
        _ => {}
    }
    if let Some(consistency) = mount.consistency {
        field("consistency", consistency.as_str());
    }
    fields.iter().map(|field| csv(field)).collect::<Vec<_>>().join(",")
}

fn csv(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
