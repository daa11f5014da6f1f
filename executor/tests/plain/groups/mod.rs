//! The scripts.

mod ends;
mod environment;
mod input;
mod language;
mod output;
mod processes;
mod shell_settings;
mod signals;
mod syntax;
mod system;

use crate::script::Script;

/// All scripts of all groups.
pub(crate) fn all() -> impl Iterator<Item = &'static Script> {
    [
        ends::SCRIPTS,
        signals::SCRIPTS,
        input::SCRIPTS,
        output::SCRIPTS,
        syntax::SCRIPTS,
        language::SCRIPTS,
        processes::SCRIPTS,
        environment::SCRIPTS,
        shell_settings::SCRIPTS,
        system::SCRIPTS,
    ]
    .into_iter()
    .flatten()
}
