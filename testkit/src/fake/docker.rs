//! `FakeDocker` itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::state::State;

/// A Docker engine in memory.
///
/// It keeps volumes, images, networks and containers and answers like Engine 20.10, on which its
/// behaviour was measured: the roles' methods say what that is where it surprises. Clones are handles
/// to the same engine.
///
/// Containers execute nothing; each start plays a [`ScriptedRun`](crate::ScriptedRun), on tokio's clock. The engine
/// needs no task of its own, so it works on any runtime with time, and a test with a paused clock
/// waits for nothing.
///
/// A container with an input whose entrypoint is `sh` and whose arguments are `-c`, anything and
/// `berth` is a shell that is fed its steps: it reads them from its input, where each is `MARK SIZE`,
/// a line feed, SIZE bytes of script, a line feed, MARK and a line feed, and plays one run for each.
/// It writes `MARK+` to both outputs before a step and `MARK-CODE.` after it, and exits with 0 at the
/// end of its input; an input that makes no sense ends it with 2. A stop does not: it ends what the
/// shell plays only when a further program sends it to all, with 143.
///
/// # Not modelled
/// Files have no owner and mode, and only those in volumes are kept; containers have no processes and
/// no limits, what they have of their host does nothing, and an address leads nowhere; output that
/// nobody reads blocks nothing; what is written to the input of any container but a shell is
/// forgotten, and a shell says nothing about steps that signals ended; a step's files are there when
/// it was read; every path of the host exists that is not [taken away](Self::without_host_path), and
/// is on a mount that is shared, so that every propagation works; an image's
/// [settings](Self::with_image_details) are told and have no effect, and it has no files but the
/// [folders](Self::with_image_folder) and [links](Self::with_image_link) that it is given; every
/// image in the registry is there for every platform; the engine's own networks are not listed, and
/// it has as many ranges of addresses as are asked for; an ended program is never forgotten while its
/// container is there, where a real engine does after minutes; an unknown volume driver is given up
/// at once instead of after 15 s; a removal takes no time.
#[derive(Debug, Clone, Default)]
pub struct FakeDocker {
    state: Arc<Mutex<State>>,
}

impl FakeDocker {
    /// An engine without volumes, containers and images, and with an empty registry. Its containers
    /// succeed at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state, for as long as it takes to read or change it; never across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that belongs together is changed round a point that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for what outlives a call but must not keep the engine alive.
    pub(super) fn handle(&self) -> Weak<Mutex<State>> {
        Arc::downgrade(&self.state)
    }
}
