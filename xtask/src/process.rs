//! Running other programs; each one that fails is named with its full command line.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Where the system's own programs are, which the PATH of an ordinary user may leave out.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The command as it would be typed into a shell, with the variables that it sets.
pub fn command_line(command: &Command) -> String {
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

/// Shows the command, runs it with the input and output of this process, and fails when it fails.
///
/// # Errors
/// With the full command line.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", command_line(command));
    let status = command.status();
    let status = checked(command, status)?;
    expect_success(command, status)
}

/// Runs the command and returns its standard output; its standard error is that of this process.
///
/// # Errors
/// With the full command line.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = checked(command, output)?;
    expect_success(command, output.status)?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` wrote something other than UTF-8", command_line(command)))
}

/// Shows the command and runs it without input. Its output is shown only when it fails, so that it does
/// not mix with the output of another command that runs at the same time.
///
/// # Errors
/// With the full command line.
pub fn run_quietly(command: &mut Command) -> Result<()> {
    println!("$ {}", command_line(command));
    let output = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = checked(command, output)?;
    if !status.success() {
        print!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    }
    expect_success(command, status)
}

/// Runs the command without output and returns whether it succeeded; `false` also when there is no such
/// program.
///
/// # Errors
/// When the program is there and cannot be run.
pub fn succeeds(command: &mut Command) -> Result<bool> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        status => checked(command, status).map(|status| status.success()),
    }
}

/// Fails with the command's full line unless its status is success.
///
/// # Errors
/// See above.
pub fn expect_success(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", command_line(command));
    }
    Ok(())
}

/// Adds the command's full line to a failure to start it.
///
/// # Errors
/// The given failure.
pub fn checked<T>(command: &Command, result: io::Result<T>) -> Result<T> {
    result.with_context(|| format!("could not run `{}`", command_line(command)))
}

/// Finds a program in the directories of PATH and in those of the system's own programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
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

    #[test]
    fn a_failing_program_is_named_with_its_full_command_line() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed (exit status: 3)");
        let error = run_quietly(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed (exit status: 3)");
        let error = read(Command::new("/nonexistent/program").arg("word")).unwrap_err();
        assert_eq!(error.to_string(), "could not run `/nonexistent/program word`");
    }

    #[test]
    fn a_missing_program_does_not_succeed() {
        assert!(succeeds(&mut Command::new("true")).unwrap());
        assert!(!succeeds(&mut Command::new("false")).unwrap());
        assert!(!succeeds(&mut Command::new("/nonexistent/program")).unwrap());
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }
}
