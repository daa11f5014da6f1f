//! What a script of the suite is: its text, and where it runs.

use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shell {
    Ash,
    Dash,
    Bash,
}

impl Shell {
    pub(crate) const ALL: [Self; 3] = [Self::Ash, Self::Dash, Self::Bash];
}

/// The container that a script runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Setting {
    /// As root, in an image with the usual programs.
    Usual,
    /// As a user who has no name and no home.
    Unnamed,
    /// In an image that has the shell alone: no other program and no `/tmp`.
    Bare,
}

/// A difference from a plain shell that is documented.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    /// Words of docs/jobs.md that describe the difference.
    pub(crate) reason: &'static str,
    /// Where it shows.
    pub(crate) shells: &'static [Shell],
}

#[derive(Debug, Clone, Copy)]
enum Text {
    Fixed(&'static str),
    Made(fn() -> String),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    text: Text,
    pub(crate) variables: &'static [(&'static str, &'static str)],
    shells: &'static [Shell],
    pub(crate) setting: Setting,
    pub(crate) allowed: Option<Allowed>,
    /// Runs in a container that no other script uses.
    pub(crate) alone: bool,
}

/// A script for all shells, without variables.
pub(crate) const fn script(name: &'static str, text: &'static str) -> Script {
    Script {
        name,
        text: Text::Fixed(text),
        variables: &[],
        shells: &Shell::ALL,
        setting: Setting::Usual,
        allowed: None,
        alone: false,
    }
}

/// A script for all shells that is too long to be written down.
pub(crate) const fn made(name: &'static str, text: fn() -> String) -> Script {
    Script { text: Text::Made(text), ..script(name, "") }
}

impl Script {
    pub(crate) const fn with(self, variables: &'static [(&'static str, &'static str)]) -> Self {
        Self { variables, ..self }
    }

    pub(crate) const fn only(self, shells: &'static [Shell]) -> Self {
        Self { shells, ..self }
    }

    pub(crate) const fn bash(self) -> Self {
        self.only(&[Shell::Bash])
    }

    pub(crate) const fn unnamed(self) -> Self {
        Self { setting: Setting::Unnamed, ..self }
    }

    /// Busybox has the programs in its shell, so that no image lacks them.
    pub(crate) const fn bare(self) -> Self {
        Self { setting: Setting::Bare, shells: &[Shell::Dash, Shell::Bash], ..self }
    }

    pub(crate) const fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// The script differs in these shells, as docs/jobs.md says with these words.
    pub(crate) const fn differs(self, reason: &'static str, shells: &'static [Shell]) -> Self {
        Self { allowed: Some(Allowed { reason, shells }), ..self }
    }

    pub(crate) fn text(&self) -> Cow<'static, str> {
        match self.text {
            Text::Fixed(text) => text.into(),
            Text::Made(make) => make().into(),
        }
    }

    pub(crate) fn runs_in(&self, shell: Shell) -> bool {
        self.shells.contains(&shell)
    }

    pub(crate) fn differs_in(&self, shell: Shell) -> bool {
        self.allowed.is_some_and(|allowed| allowed.shells.contains(&shell))
    }
}

// The words of docs/jobs.md for each difference that is allowed.
pub(crate) const FIRST_COMMAND: &str = "A command before the first line";
pub(crate) const SUPERVISOR: &str = "signals to the supervisor";
pub(crate) const GROUP: &str = "In an image without `setsid`";
pub(crate) const PWD: &str = "`PWD` in `/proc/$$/environ`";
pub(crate) const PATH: &str = "`sh` is looked up in the container's `PATH`";

/// The image for a shell in a setting.
pub(crate) fn image(shell: Shell, setting: Setting) -> String {
    let (variable, made_here) = match (shell, setting) {
        (Shell::Ash, _) => ("BERTH_E2E_IMAGE", "berth-busybox:local"),
        (Shell::Dash, Setting::Bare) => ("BERTH_E2E_BARE_DASH_IMAGE", "berth-bare-dash:local"),
        (Shell::Bash, Setting::Bare) => ("BERTH_E2E_BARE_BASH_IMAGE", "berth-bare-bash:local"),
        (Shell::Dash, _) => ("BERTH_E2E_DASH_IMAGE", "berth-dash:local"),
        (Shell::Bash, _) => ("BERTH_E2E_DEBIAN_IMAGE", "berth-debian:local"),
    };
    std::env::var(variable).unwrap_or_else(|_| made_here.to_owned())
}

/// The user and group of a setting, where it is not the image's.
pub(crate) fn user(setting: Setting) -> Option<&'static str> {
    (setting == Setting::Unnamed).then_some("4321:4321")
}
