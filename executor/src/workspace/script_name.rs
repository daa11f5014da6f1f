//! The names and the exit status by which the workspace's script is known.

/// The script's name in the build folder. Each archive brings it along. Run it as
/// `sh ./.berth-workspace.sh` with the build folder as working directory; arguments could not hold
/// ten thousand paths.
pub const SCRIPT_NAME: &str = ".berth-workspace.sh";
/// The script makes a file of this name before it ends with [`STALE_STATUS`], so that nothing else
/// that ends with it is taken for the script.
pub const STALE_NAME: &str = ".berth-workspace.stale";
/// The script's exit status when a file that was not sent is not as the last upload left it, or
/// when something was in the way: everything has to be sent. 0 means that the folder is as it
/// should be, anything else that the script could not do its work, which it then says.
pub const STALE_STATUS: u8 = 79;
