//! `docs/configuration.md` and the table of keys say the same.

use super::fixture::all_keys;
use crate::config::file::{
    ConfigNoteKind,
    key::{Key, Treatment},
};

const DOCUMENT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));

/// The document's word for what is done with a key.
fn treatment(key: &Key) -> &'static str {
    match key.treatment {
        Treatment::Supported(_) | Treatment::Section(_) | Treatment::Sections(..) => "read",
        Treatment::Noted(ConfigNoteKind::Process, _) => "process",
        Treatment::Noted(..) => "noted",
        Treatment::Refused { .. } => "refused",
    }
}

/// Table, key, type and treatment of each row of the document's tables of keys.
fn rows() -> Vec<[String; 4]> {
    let mut section = None;
    let mut rows = Vec::new();
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = match heading {
                "Before the first runner" => Some(String::new()),
                _ => heading
                    .strip_prefix("`[")
                    .and_then(|rest| rest.strip_suffix("]`"))
                    .map(|name| name.trim_matches(['[', ']']).to_owned()),
            };
        }
        let cells: Vec<_> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        if let (Some(section), [name, kind, treatment, ..]) = (&section, cells.as_slice())
            && let Some(name) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'))
        {
            rows.push([
                section.clone(),
                name.to_owned(),
                (*kind).to_owned(),
                (*treatment).to_owned(),
            ]);
        }
    }
    rows
}

#[test]
fn the_document_lists_the_keys_of_the_table_with_their_types_and_treatments() {
    let mut documented = rows();
    let mut known: Vec<_> = all_keys()
        .into_iter()
        .map(|(section, key)| {
            let kind = key.kind.as_str().trim_start_matches("a ").trim_start_matches("an ");
            [section, key.name, kind, treatment(key)].map(str::to_owned)
        })
        .collect();
    documented.sort();
    known.sort();
    let missing: Vec<_> = known.iter().filter(|row| !documented.contains(row)).collect();
    let surplus: Vec<_> = documented.iter().filter(|row| !known.contains(row)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}, surplus {surplus:#?}");
    assert_eq!(documented.len(), known.len(), "a key is documented twice");
}

#[test]
fn the_hint_about_an_unknown_key_names_the_document() {
    let text = super::fixture::in_section("runners.berth", "qqqqqq = 1");
    let error = super::fixture::read(&text).unwrap_err();
    assert!(error.hint().contains("docs/configuration.md"));
}
