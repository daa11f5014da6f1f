//! Who asks for a volume.

/// Who asks for a volume: what is allowed depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecOrigin {
    /// A job. The policy decides on paths of the host, named volumes, engine sockets and options, and
    /// destinations in `/proc`, `/sys` and `/dev` are refused.
    #[default]
    Job,
    /// The operator of the engine, in a configuration file or on the command line. The policy only
    /// decides on engine sockets: mounting one by mistake makes every job root on the host.
    Operator,
}

impl SpecOrigin {
    /// Whether a volume with a source may be mounted over what the kernel shows in a container, such as
    /// `/dev` or `/sys/fs/cgroup`.
    pub(crate) fn may_cover_system(self) -> bool {
        self == Self::Operator
    }
}
