//! The further programs that the engine in memory keeps.

use std::{collections::BTreeMap, time::Duration};

use docker_api_trait::{ContainerId, ExecId, ExecRequest};

use super::script::ScriptedRun;

/// The further programs that were prepared.
#[derive(Debug, Default)]
pub(super) struct Execs {
    pub(super) by_id: BTreeMap<ExecId, StoredExec>,
    /// How many were ever created.
    pub(super) created: u64,
    /// What those do that ask for no signal, if that was set.
    pub(super) script: Option<ScriptedRun>,
    /// The same for one program.
    pub(super) by_program: BTreeMap<String, ScriptedRun>,
    /// Ports that containers listen on: the image's id, the time from the start on, and the port.
    pub(super) listeners: Vec<(String, Duration, u16)>,
    /// The request of every call that would prepare one.
    pub(super) requests: Vec<ExecRequest>,
}

#[derive(Debug, Clone)]
pub(super) struct StoredExec {
    pub(super) container: ContainerId,
    pub(super) command: Vec<String>,
    /// The number of the container's run, and of the program in it.
    pub(super) place: (usize, usize),
}

impl Execs {
    /// Forgets those of a container.
    pub(super) fn forget(&mut self, container: &ContainerId) {
        self.by_id.retain(|_, exec| exec.container != *container);
    }
}
