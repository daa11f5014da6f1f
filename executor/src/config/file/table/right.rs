//! Keys of `[runners.docker]` for rights and name spaces.

use super::Key;
use crate::config::file::{
    key::Kind,
    network,
    text::{Problem, capability, word},
};

pub(super) const KEYS: &[Key] = &[
    // What it is for services is settled when `services_privileged` has been read.
    Key::supported("privileged", Kind::Boolean, |draft, item| {
        draft.host().privileged = item.boolean()?;
        Ok(())
    }),
    Key::supported("cap_add", Kind::Texts, |draft, item| {
        draft.host().cap_add = item.read_all(capability)?;
        Ok(())
    }),
    Key::supported("cap_drop", Kind::Texts, |draft, item| {
        draft.host().cap_drop = item.read_all(capability)?;
        Ok(())
    }),
    Key::supported("security_opt", Kind::Texts, |draft, item| {
        draft.host().security_opt = draft.security_options(item)?;
        Ok(())
    }),
    Key::supported("group_add", Kind::Texts, |draft, item| {
        draft.host().group_add = item.read_all(word)?;
        Ok(())
    }),
    Key::supported("userns_mode", Kind::Text, |draft, item| {
        let mode = item.read(word)?;
        draft.for_all(|host| host.userns_mode = Some(mode.clone()));
        Ok(())
    }),
    Key::supported("ipcmode", Kind::Text, |draft, item| {
        draft.host().ipc_mode = Some(item.read(network::ipc_mode)?);
        Ok(())
    }),
    Key::supported("pid_mode", Kind::Text, |draft, item| {
        draft.host().pid_mode = Some(item.read(network::pid_mode)?);
        Ok(())
    }),
    Key::supported("sysctls", Kind::TextTable, |draft, item| {
        let entries = item.entries()?;
        let mut sysctls = std::collections::BTreeMap::new();
        for (name, entry) in entries {
            let legal = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
            if name.is_empty() || !name.chars().all(legal) {
                let expected = "a parameter such as \"net.core.somaxconn\"";
                return Err(entry.invalid(&Problem::new("is no parameter of the kernel", expected)));
            }
            sysctls.insert(name.to_owned(), entry.text()?.to_owned());
        }
        draft.host().sysctls = sysctls;
        Ok(())
    }),
    Key::supported("runtime", Kind::Text, |draft, item| {
        let runtime = item.read(word)?;
        draft.for_all(|host| host.runtime = Some(runtime.clone()));
        Ok(())
    }),
    Key::supported("isolation", Kind::Text, |_, item| {
        if item.text()? == "default" {
            return Ok(());
        }
        let expected = "\"default\", or no isolation at all";
        Err(item.invalid(&Problem::new("is for Windows containers, which are not run", expected)))
    }),
];
