//! Running other programs; each one that fails is named with its full command line.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

/// Where the system's own programs are, which the PATH of an ordinary user may leave out.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The command as it would be typed into a shell, with the variables that it sets.
pub(crate) fn command_line(command: &Command) -> String {
    let command = command.as_std();
    let settings = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.display(), quoted(value?))));
    let program = match command.get_program() {
        // Its path depends on the installation and says nothing to a reader.
        program if Path::new(program).file_stem() == Some(OsStr::new("cargo")) => {
            "cargo".to_owned()
        }
        program => quoted(program),
    };
    let arguments = command.get_args().map(quoted);
    settings.chain([program]).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    shlex::try_quote(&word).map_or_else(|_| format!("{word:?}"), std::borrow::Cow::into_owned)
}

/// Shows the command, runs it with our input and output, and fails when it fails.
pub(crate) async fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", command_line(command));
    let status = command.status().await;
    let status = checked(command, status)?;
    expect_success(command, status)
}

/// Runs the command and returns what it wrote to its standard output; its errors go to ours.
pub(crate) async fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await;
    let output = checked(command, output)?;
    expect_success(command, output.status)?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` wrote something other than UTF-8", command_line(command)))
}

/// Runs the command silently and says whether it succeeded; `false` also when there is no such
/// program.
pub(crate) async fn succeeds(command: &mut Command) -> Result<bool> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status().await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        status => checked(command, status).map(|status| status.success()),
    }
}

/// Fails with the command's full line unless it ended well.
pub(crate) fn expect_success(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", command_line(command));
    }
    Ok(())
}

/// Gives the failure to start a command its full line.
pub(crate) fn checked<T>(command: &Command, result: io::Result<T>) -> Result<T> {
    result.with_context(|| format!("could not run `{}`", command_line(command)))
}

/// Finds a program in the folders of PATH and in those of the system's own programs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let mut command = Command::new("/toolchain/bin/cargo");
        command.args(["doc", "--no-deps", "it's"]).env("RUSTDOCFLAGS", "-D warnings");
        command.env_remove("CARGO_PKG_NAME");
        assert_eq!(
            command_line(&command),
            r#"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps "it's""#
        );
    }

    #[tokio::test]
    async fn a_failing_program_is_named_with_its_full_command_line() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).await.unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed (exit status: 3)");
        let error = read(Command::new("/nonexistent/program").arg("word")).await.unwrap_err();
        assert_eq!(error.to_string(), "could not run `/nonexistent/program word`");
    }

    #[tokio::test]
    async fn a_missing_program_does_not_succeed() {
        assert!(succeeds(&mut Command::new("true")).await.unwrap());
        assert!(!succeeds(&mut Command::new("false")).await.unwrap());
        assert!(!succeeds(&mut Command::new("/nonexistent/program")).await.unwrap());
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }
}
