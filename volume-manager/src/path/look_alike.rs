//! Whether a path reads as another one.
//!
//! `／proc`, `/prоc` with a Cyrillic letter, `/cache` with a mark in it that turns the writing
//! direction: a person who reviews a job sees one path, the engine mounts at another. Unicode's
//! technical standard 39 has the tables; names in other scripts stay allowed.

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_security::confusable_detection::skeleton;

/// Whether a component of `path` has a character that cannot be seen, one that is but another
/// form of an ASCII character, or looks as a whole like ASCII without being it.
pub(super) fn imitates(path: &str) -> bool {
    !path.is_ascii() && path.split(['/', '\\']).any(component_imitates)
}

fn component_imitates(component: &str) -> bool {
    if component.is_ascii() {
        return false;
    }
    let invisible = |character: char| {
        matches!(
            character.general_category_group(),
            GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator
        )
    };
    let unlike = |character: &char| !character.is_ascii();
    component.chars().filter(unlike).any(|character| {
        let one = character.to_string();
        invisible(character)
            || one.nfkc().all(|form| form.is_ascii())
            || skeleton(&one).all(|form| form.is_ascii_punctuation())
    }) || skeleton(component).all(|form| form.is_ascii())
}
