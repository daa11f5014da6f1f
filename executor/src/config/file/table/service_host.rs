//! Keys of `[runners.docker]` for services.

use std::time::Duration;

use super::{
    Key,
    service::{SERVICE, add_service},
};
use crate::config::file::{
    device, gpu,
    key::Kind,
    size,
    text::{cpuset, word},
};

pub(super) const KEYS: &[Key] = &[
    Key::sections("services", SERVICE, add_service),
    Key::supported("services_limit", Kind::Integer, |draft, item| {
        let expected = "a number of services, or -1 for no limit";
        let limit: i64 = item.integer_in(-1..=i64::from(u32::MAX), expected)?;
        draft.config().services.limit = usize::try_from(limit).ok();
        Ok(())
    }),
    Key::supported("wait_for_services_timeout", Kind::Integer, |draft, item| {
        let expected = "a number of seconds; -1 does not wait at all";
        let seconds: i64 = item.integer_in(-(1 << 32)..=1 << 32, expected)?;
        draft.config().services.ready_timeout = match u64::try_from(seconds) {
            Ok(0) => Some(Duration::from_secs(30)),
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => None,
        };
        Ok(())
    }),
    Key::supported("services_privileged", Kind::Boolean, |draft, item| {
        draft.services_privileged = Some(item.boolean()?);
        Ok(())
    }),
    Key::supported("services_security_opt", Kind::Texts, |draft, item| {
        draft.service_host().security_opt = draft.security_options(item)?;
        Ok(())
    }),
    Key::supported("services_devices", Kind::TextsTable, |draft, item| {
        for (pattern, entry) in item.entries()? {
            let devices = entry.read_all(device::device)?;
            draft.config().services.devices.insert(pattern.to_owned(), devices);
        }
        Ok(())
    }),
    Key::supported("service_gpus", Kind::Text, |draft, item| {
        draft.service_host().device_requests = vec![item.read(gpu::gpus)?];
        Ok(())
    }),
    Key::supported("service_memory", Kind::Text, |draft, item| {
        draft.service_host().memory = Some(item.read(size::bytes)?).filter(|bytes| *bytes > 0);
        Ok(())
    }),
    Key::supported("service_memory_swap", Kind::Text, |draft, item| {
        draft.service_host().memory_swap = Some(item.read(size::swap)?).filter(|bytes| *bytes != 0);
        draft.beside_memory(item, true, true);
        Ok(())
    }),
    Key::supported("service_memory_reservation", Kind::Text, |draft, item| {
        let bytes = item.read(size::bytes)?;
        draft.service_host().memory_reservation = Some(bytes).filter(|bytes| *bytes > 0);
        draft.beside_memory(item, true, false);
        Ok(())
    }),
    Key::supported("service_cpus", Kind::Text, |draft, item| {
        draft.service_host().nano_cpus = Some(item.read(size::nano_cpus)?).filter(|nano| *nano > 0);
        Ok(())
    }),
    Key::supported("service_cpu_shares", Kind::Integer, |draft, item| {
        let shares: u64 =
            item.integer_in(0..=i64::MAX, "a weight; 1024 is the engine's default")?;
        draft.service_host().cpu_shares = Some(shares).filter(|shares| *shares > 0);
        Ok(())
    }),
    Key::supported("service_cpuset_cpus", Kind::Text, |draft, item| {
        draft.service_host().cpuset_cpus = Some(item.read(cpuset)?);
        Ok(())
    }),
    Key::supported("service_cgroup_parent", Kind::Text, |draft, item| {
        draft.service_host().cgroup_parent = Some(item.read(word)?);
        Ok(())
    }),
    Key::unused("service_slot_cgroup_template", Kind::Text, "is only for use_slot_cgroups"),
];
