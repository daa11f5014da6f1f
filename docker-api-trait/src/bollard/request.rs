//! A container's request, in the client library's terms: every field of both structures by name, so
//! that one which a new version brings has to be decided on. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest as EngineDeviceRequest, EndpointSettings,
    HealthConfig, HostConfig, HostConfigIsolationEnum, HostConfigLogConfig, NetworkingConfig,
    ResourcesUlimits,
};

use super::mount;
use crate::{
    ApiError, ContainerRequest, Device, DeviceRequest, HealthStart, HostSettings, Input, LogDriver,
    NetworkAttachment, Operation, Ulimit,
};

pub(super) fn container_request(
    request: &ContainerRequest,
) -> Result<ContainerCreateBody, ApiError> {
    Ok(ContainerCreateBody {
        hostname: request.hostname.clone(),
        domainname: None,
        user: request.user.clone(),
        attach_stdin: Some(request.input != Input::None),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        // Nothing of a job's is published on the host.
        exposed_ports: None,
        tty: Some(false),
        open_stdin: Some(request.input != Input::None),
        stdin_once: Some(request.input == Input::Once),
        env: some_if_any(&request.environment),
        cmd: some_if_any(&request.arguments),
        healthcheck: request.health_start.map(health_start).transpose()?,
        args_escaped: None,
        image: Some(request.image.as_str().to_owned()),
        // Anonymous volumes only come from the image.
        volumes: None,
        working_dir: request.working_directory.clone(),
        entrypoint: some_if_any(&request.entrypoint),
        network_disabled: None,
        on_build: None,
        labels: Some(request.labels.clone().into_iter().collect()),
        stop_signal: None,
        stop_timeout: None,
        shell: None,
        host_config: Some(host_config(request)?),
        networking_config: networking_config(request),
    })
}

/// What is not set the engine takes from the image, the check itself included.
fn health_start(start: HealthStart) -> Result<HealthConfig, ApiError> {
    let nanoseconds = |what, time: Duration| {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        number(what, Some(time))
    };
    Ok(HealthConfig {
        test: None,
        interval: None,
        timeout: None,
        retries: None,
        start_period: nanoseconds("the start period of the health check", start.period)?,
        start_interval: nanoseconds("the start interval of the health check", start.interval)?,
    })
}

/// Every field, none of them set: one that a new version brings has to be decided on. Those that stay
/// `None` in each request are explained here.
const NOTHING_SET: HostConfig = HostConfig {
    cpu_shares: None,
    memory: None,
    cgroup_parent: None,
    // Block devices are throttled by the engine's administrator, not by the job.
    blkio_weight: None,
    blkio_weight_device: None,
    blkio_device_read_bps: None,
    blkio_device_write_bps: None,
    blkio_device_read_iops: None,
    blkio_device_write_iops: None,
    // `nano_cpus` says the same with one number, and the engine refuses both.
    cpu_period: None,
    cpu_quota: None,
    // Real-time scheduling needs kernels and daemons set up for it.
    cpu_realtime_period: None,
    cpu_realtime_runtime: None,
    cpuset_cpus: None,
    cpuset_mems: None,
    devices: None,
    device_cgroup_rules: None,
    device_requests: None,
    memory_reservation: None,
    memory_swap: None,
    memory_swappiness: None,
    nano_cpus: None,
    oom_kill_disable: None,
    init: None,
    pids_limit: None,
    ulimits: None,
    // Windows only, and not GitLab's.
    cpu_count: None,
    cpu_percent: None,
    io_maximum_iops: None,
    io_maximum_bandwidth: None,
    binds: None,
    container_id_file: None,
    log_config: None,
    network_mode: None,
    // Nothing of a job's is published on the host.
    port_bindings: None,
    // A job's container never comes back by itself.
    restart_policy: None,
    // The exit has to be read before the container goes.
    auto_remove: None,
    volume_driver: None,
    volumes_from: None,
    mounts: None,
    console_size: None,
    annotations: None,
    cap_add: None,
    cap_drop: None,
    cgroupns_mode: None,
    dns: None,
    dns_options: None,
    dns_search: None,
    extra_hosts: None,
    group_add: None,
    ipc_mode: None,
    cgroup: None,
    links: None,
    oom_score_adj: None,
    pid_mode: None,
    privileged: None,
    publish_all_ports: None,
    readonly_rootfs: None,
    security_opt: None,
    storage_opt: None,
    tmpfs: None,
    uts_mode: None,
    userns_mode: None,
    shm_size: None,
    sysctls: None,
    runtime: None,
    isolation: None,
    masked_paths: None,
    readonly_paths: None,
};

fn host_config(request: &ContainerRequest) -> Result<HostConfig, ApiError> {
    let mount::Mounted { mounts, binds } = mount::mounted(&request.mounts)?;
    let host = &request.host;
    Ok(HostConfig {
        cpu_shares: number("cpu shares", host.cpu_shares)?,
        memory: number("memory", host.memory)?,
        cgroup_parent: host.cgroup_parent.clone(),
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        devices: some_if(host.devices.iter().map(device).collect()),
        device_cgroup_rules: some_if_any(&host.device_cgroup_rules),
        device_requests: some_if(host.device_requests.iter().map(device_request).collect()),
        memory_reservation: number("memory reservation", host.memory_reservation)?,
        memory_swap: host.memory_swap,
        nano_cpus: number("cpus", host.nano_cpus)?,
        oom_kill_disable: host.oom_kill_disable.then_some(true),
        init: request.init.then_some(true),
        pids_limit: host.pids_limit,
        ulimits: some_if(host.ulimits.iter().map(ulimit).collect()),
        binds: some_if(binds),
        log_config: request.log_driver.as_ref().map(log_config),
        network_mode: network_mode(request),
        volume_driver: host.volume_driver.clone(),
        volumes_from: some_if_any(&host.volumes_from),
        mounts: Some(mounts),
        cap_add: some_if_any(&host.cap_add),
        cap_drop: some_if_any(&host.cap_drop),
        dns: some_if_any(&host.dns),
        dns_search: some_if_any(&host.dns_search),
        extra_hosts: some_if_any(&host.extra_hosts),
        group_add: some_if_any(&host.group_add),
        ipc_mode: host.ipc_mode.clone(),
        links: some_if_any(&host.links),
        oom_score_adj: host.oom_score_adjust,
        pid_mode: host.pid_mode.clone(),
        privileged: host.privileged.then_some(true),
        security_opt: some_if_any(&host.security_opt),
        storage_opt: some_if_map(&host.storage_opt),
        tmpfs: some_if_map(&host.tmpfs),
        userns_mode: host.userns_mode.clone(),
        shm_size: number("shm size", host.shm_size)?,
        sysctls: some_if_map(&host.sysctls),
        runtime: host.runtime.clone(),
        isolation: isolation(host)?,
        ..NOTHING_SET
    })
}

/// A container of a network of ours is in that one from birth, and in no other.
fn network_mode(request: &ContainerRequest) -> Option<String> {
    match &request.network {
        Some(attachment) => Some(attachment.network.as_str().to_owned()),
        None => request.host.network_mode.clone(),
    }
}

fn networking_config(request: &ContainerRequest) -> Option<NetworkingConfig> {
    let attachment = request.network.as_ref()?;
    let settings = endpoint(attachment, request.mac_address.as_deref());
    let name = attachment.network.as_str().to_owned();
    Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(name, settings)])) })
}

fn endpoint(attachment: &NetworkAttachment, mac_address: Option<&str>) -> EndpointSettings {
    EndpointSettings {
        ipam_config: None,
        links: None,
        mac_address: mac_address.map(ToOwned::to_owned),
        aliases: some_if_any(&attachment.aliases),
        driver_opts: None,
        gw_priority: None,
        network_id: None,
        endpoint_id: None,
        gateway: None,
        ip_address: None,
        ip_prefix_len: None,
        ipv6_gateway: None,
        global_ipv6_address: None,
        global_ipv6_prefix_len: None,
        dns_names: None,
    }
}

fn log_config(driver: &LogDriver) -> HostConfigLogConfig {
    let config = match driver {
        LogDriver::None => None,
        LogDriver::JsonFile(options) => some_if_map(options),
    };
    HostConfigLogConfig { typ: Some(driver.as_str().to_owned()), config }
}

fn device(device: &Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.host.clone()),
        path_in_container: Some(device.container.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

fn device_request(request: &DeviceRequest) -> EngineDeviceRequest {
    EngineDeviceRequest {
        driver: Some(request.driver.clone()),
        count: Some(request.count),
        device_ids: some_if_any(&request.ids),
        capabilities: some_if(request.capabilities.clone()),
        options: some_if_map(&request.options),
    }
}

fn ulimit(ulimit: &Ulimit) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(ulimit.name.clone()),
        soft: Some(ulimit.soft),
        hard: Some(ulimit.hard),
    }
}

fn isolation(host: &HostSettings) -> Result<Option<HostConfigIsolationEnum>, ApiError> {
    match host.isolation.as_deref() {
        None | Some("") => Ok(None),
        Some("default") => Ok(Some(HostConfigIsolationEnum::DEFAULT)),
        Some("process") => Ok(Some(HostConfigIsolationEnum::PROCESS)),
        Some("hyperv") => Ok(Some(HostConfigIsolationEnum::HYPERV)),
        Some(other) => Err(rejected(format!(
            "the isolation {other:?} is none of `default`, `process` and `hyperv`"
        ))),
    }
}

/// The engine counts with a sign.
fn number(what: &str, value: Option<u64>) -> Result<Option<i64>, ApiError> {
    value
        .map(|value| {
            i64::try_from(value)
                .map_err(|_| rejected(format!("the {what} {value} is more than the engine counts")))
        })
        .transpose()
}

fn rejected(message: String) -> ApiError {
    ApiError::Rejected { operation: Operation::CreateContainer, message }
}

fn some_if_any(words: &[String]) -> Option<Vec<String>> {
    some_if(words.to_vec())
}

fn some_if<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn some_if_map(map: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    (!map.is_empty()).then(|| map.clone().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ContainerRequest {
        ContainerRequest::new("job".parse().unwrap(), "image".parse().unwrap())
    }

    fn body(request: &ContainerRequest) -> serde_json::Value {
        serde_json::to_value(container_request(request).unwrap()).unwrap()
    }

    #[test]
    fn a_plain_request_asks_for_nothing_of_the_host() {
        let body = body(&request());
        assert_eq!(body["HostConfig"], serde_json::json!({ "Mounts": [] }));
        assert_eq!(body["OpenStdin"], false);
    }

    #[test]
    fn an_input_ends_with_its_first_attachment_or_stays() {
        for (input, once) in [(Input::Once, true), (Input::Kept, false)] {
            let mut request = request();
            request.input = input;
            let body = body(&request);
            assert_eq!((&body["OpenStdin"], &body["StdinOnce"]), (&true.into(), &once.into()));
        }
    }

    #[test]
    fn a_health_checks_start_leaves_the_check_to_the_image() {
        assert_eq!(body(&request()).get("Healthcheck"), None);
        let mut request = request();
        let seconds = Duration::from_secs;
        request.health_start = Some(HealthStart::new(seconds(30), seconds(1)));
        let expected = serde_json::json!({
            "StartPeriod": 30_000_000_000_u64, "StartInterval": 1_000_000_000,
        });
        assert_eq!(body(&request)["Healthcheck"], expected);
    }

    #[test]
    fn a_network_of_ours_is_the_only_one() {
        let mut request = request();
        request.host.network_mode = Some("host".to_owned());
        let mut attachment = NetworkAttachment::new("net".parse().unwrap());
        attachment.aliases = vec!["db".to_owned()];
        request.network = Some(attachment);
        let body = body(&request);
        assert_eq!(body["HostConfig"]["NetworkMode"], "net");
        let aliases = &body["NetworkingConfig"]["EndpointsConfig"]["net"]["Aliases"];
        assert_eq!(aliases, &serde_json::json!(["db"]));
    }

    #[test]
    fn every_setting_has_its_place_in_the_request() {
        let mut request = request();
        request.host = serde_json::from_value(serde_json::json!({
            "memory": 1, "memory_swap": -1, "memory_reservation": 3, "oom_kill_disable": true,
            "oom_score_adjust": -5, "shm_size": 6, "nano_cpus": 7, "cpu_shares": 8,
            "cpuset_cpus": "0", "cpuset_mems": "1", "pids_limit": 9,
            "ulimits": [{"name": "nofile", "soft": 1, "hard": 2}], "cgroup_parent": "/x",
            "devices": [{"host": "/dev/a", "container": "/dev/b", "permissions": "r"}],
            "device_cgroup_rules": ["c 1:3 mr"],
            "device_requests": [{"driver": "d", "count": -1, "capabilities": [["gpu"]]}],
            "privileged": true, "cap_add": ["A"], "cap_drop": ["B"],
            "security_opt": ["no-new-privileges"], "group_add": ["g"], "userns_mode": "host",
            "ipc_mode": "private", "pid_mode": "host", "sysctls": {"a": "1"},
            "tmpfs": {"/t": "rw"}, "dns": ["1.1.1.1"], "dns_search": ["s"],
            "extra_hosts": ["h:1.2.3.4"], "network_mode": "none", "links": ["c:l"],
            "runtime": "runc", "isolation": "process", "volume_driver": "v",
            "volumes_from": ["c:ro"], "storage_opt": {"size": "1G"},
        }))
        .unwrap();
        assert_eq!(
            body(&request)["HostConfig"],
            serde_json::json!({
                "Memory": 1, "MemorySwap": -1, "MemoryReservation": 3, "OomKillDisable": true,
                "OomScoreAdj": -5, "ShmSize": 6, "NanoCpus": 7, "CpuShares": 8,
                "CpusetCpus": "0", "CpusetMems": "1", "PidsLimit": 9,
                "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}], "CgroupParent": "/x",
                "Devices": [{
                    "PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r",
                }],
                "DeviceCgroupRules": ["c 1:3 mr"],
                "DeviceRequests": [{"Driver": "d", "Count": -1, "Capabilities": [["gpu"]]}],
                "Privileged": true, "CapAdd": ["A"], "CapDrop": ["B"],
                "SecurityOpt": ["no-new-privileges"], "GroupAdd": ["g"], "UsernsMode": "host",
                "IpcMode": "private", "PidMode": "host", "Sysctls": {"a": "1"},
                "Tmpfs": {"/t": "rw"}, "Dns": ["1.1.1.1"], "DnsSearch": ["s"],
                "ExtraHosts": ["h:1.2.3.4"], "NetworkMode": "none", "Links": ["c:l"],
                "Runtime": "runc", "Isolation": "process", "VolumeDriver": "v",
                "VolumesFrom": ["c:ro"], "StorageOpt": {"size": "1G"}, "Mounts": [],
            })
        );
    }

    #[test]
    fn what_the_engine_cannot_count_or_name_is_refused_before_it_is_sent() {
        let mut large = request();
        large.host.memory = Some(u64::MAX);
        let mut odd = request();
        odd.host.isolation = Some("vm".to_owned());
        for request in [large, odd] {
            let error = container_request(&request).unwrap_err();
            assert!(matches!(error, ApiError::Rejected { .. }), "{error:?}");
        }
    }
}
