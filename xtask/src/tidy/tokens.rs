//! What several rules ask of tokens. Pure.

use proc_macro2::{Spacing, TokenTree};

/// Whether the tokens begin with `::`.
pub(super) fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens.first(), Some(TokenTree::Punct(colon))
        if colon.as_char() == ':' && colon.spacing() == Spacing::Joint)
        && is_punct(tokens.get(1), ':')
}

pub(super) fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}
