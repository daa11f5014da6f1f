//! How much memory this process has: Linux's own numbers.

use std::fs;

/// The peak of the process's resident memory above what it was when this was made.
pub(super) struct Peak {
    idle: u64,
}

impl Peak {
    /// Notes the memory in use, and forgets earlier peaks; nothing where Linux is not.
    pub(super) fn begin() -> Option<Self> {
        // 5 sets the peak to what is in use.
        fs::write("/proc/self/clear_refs", "5").ok()?;
        Some(Self { idle: status("VmRSS")? })
    }

    /// In KiB, up to now.
    pub(super) fn kibibytes(&self) -> Option<u64> {
        Some(status("VmHWM")?.saturating_sub(self.idle))
    }
}

fn status(field: &str) -> Option<u64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?, field)
}

/// A field of `/proc/self/status` that is in KiB.
fn parse(status: &str, field: &str) -> Option<u64> {
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = { lines }.find(|(name, _)| *name == field)?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_by_its_whole_name() {
        let status = "Name:\txtask\nVmHWM:\t   12345 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n";
        assert_eq!(parse(status, "VmRSS"), Some(1024));
        assert_eq!(parse(status, "VmHWM"), Some(12345));
        assert_eq!(parse(status, "Vm"), None);
        assert_eq!(parse(status, "Threads"), None);
    }
}
