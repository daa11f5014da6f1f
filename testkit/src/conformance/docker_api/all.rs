//! All cases.

use super::{
    case::Case,
    cases::{archive, container, exec, life, log, mount, network, shell, system, volume},
};

/// All cases, by area.
pub fn cases() -> Vec<Case> {
    [
        archive::all(),
        container::all(),
        exec::all(),
        life::all(),
        log::all(),
        mount::all(),
        network::all(),
        shell::all(),
        system::all(),
        volume::all(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn macro_makes_a_test_of_every_case() {
        let suite = include_str!("suite.rs");
        let mut area = "";
        let mut listed = Vec::new();
        for line in suite.lines().map(str::trim) {
            if let Some(name) =
                line.strip_suffix(" {").filter(|name| !name.contains([' ', '(', '$']))
            {
                area = name;
            } else if line.chars().all(|c| c.is_alphanumeric() || c == '_') && !line.is_empty() {
                listed.push(format!("{area}::{line}"));
            }
        }
        let cases: Vec<_> = super::cases().iter().map(super::Case::path).collect();
        assert_eq!(listed, cases);
    }
}
