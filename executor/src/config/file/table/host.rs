//! Keys of `[runners.docker]` for the resources of build and helper containers.

use super::Key;
use crate::config::file::{
    device, gpu,
    key::Kind,
    size,
    text::{cpuset, word},
};

pub(super) const KEYS: &[Key] = &[
    Key::supported("memory", Kind::Text, |draft, item| {
        draft.host().memory = Some(item.read(size::bytes)?).filter(|bytes| *bytes > 0);
        Ok(())
    }),
    Key::supported("memory_swap", Kind::Text, |draft, item| {
        draft.host().memory_swap = Some(item.read(size::swap)?).filter(|bytes| *bytes != 0);
        draft.beside_memory(item, false, true);
        Ok(())
    }),
    Key::supported("memory_reservation", Kind::Text, |draft, item| {
        draft.host().memory_reservation = Some(item.read(size::bytes)?).filter(|bytes| *bytes > 0);
        draft.beside_memory(item, false, false);
        Ok(())
    }),
    Key::supported("oom_kill_disable", Kind::Boolean, |draft, item| {
        draft.host().oom_kill_disable = item.boolean()?;
        Ok(())
    }),
    Key::supported("oom_score_adjust", Kind::Integer, |draft, item| {
        let score: i64 = item.integer_in(-1000..=1000, "a number from -1000 to 1000")?;
        draft.host().oom_score_adjust = Some(score).filter(|score| *score != 0);
        Ok(())
    }),
    // As it is for services, too.
    Key::supported("shm_size", Kind::Integer, |draft, item| {
        let bytes: u64 = item.integer_in(0..=i64::MAX, "a number of bytes")?;
        draft.for_all(|host| host.shm_size = Some(bytes).filter(|bytes| *bytes > 0));
        Ok(())
    }),
    Key::supported("cpus", Kind::Text, |draft, item| {
        draft.host().nano_cpus = Some(item.read(size::nano_cpus)?).filter(|nano| *nano > 0);
        Ok(())
    }),
    Key::supported("cpu_shares", Kind::Integer, |draft, item| {
        let shares: u64 =
            item.integer_in(0..=i64::MAX, "a weight; 1024 is the engine's default")?;
        draft.host().cpu_shares = Some(shares).filter(|shares| *shares > 0);
        Ok(())
    }),
    Key::supported("cpuset_cpus", Kind::Text, |draft, item| {
        draft.host().cpuset_cpus = Some(item.read(cpuset)?);
        Ok(())
    }),
    Key::supported("cpuset_mems", Kind::Text, |draft, item| {
        draft.host().cpuset_mems = Some(item.read(cpuset)?);
        Ok(())
    }),
    Key::supported("cgroup_parent", Kind::Text, |draft, item| {
        draft.host().cgroup_parent = Some(item.read(word)?);
        Ok(())
    }),
    Key::supported("ulimit", Kind::TextTable, |draft, item| {
        let limits = item.entries()?.into_iter();
        let limits = limits.map(|(name, entry)| entry.read(|text| device::ulimit(name, text)));
        draft.host().ulimits = limits.collect::<Result<_, _>>()?;
        Ok(())
    }),
    Key::supported("devices", Kind::Texts, |draft, item| {
        draft.host().devices = item.read_all(device::device)?;
        Ok(())
    }),
    Key::supported("device_cgroup_rules", Kind::Texts, |draft, item| {
        draft.host().device_cgroup_rules = item.read_all(device::rule)?;
        Ok(())
    }),
    Key::supported("gpus", Kind::Text, |draft, item| {
        draft.host().device_requests = vec![item.read(gpu::gpus)?];
        Ok(())
    }),
];
