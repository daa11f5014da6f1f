//! The length of functions. Pure.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// The line of the word `fn`, counted from one.
    pub(super) line: usize,
    /// Lines from the word `fn` to the closing brace.
    pub(super) length: usize,
}

/// Finds the functions of a file, nested ones and those of macros' arguments included.
pub(super) fn functions(tokens: TokenStream) -> Vec<Function> {
    let mut found = Vec::new();
    collect(tokens, &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut Vec<Function>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "fn" => {
                let Some(TokenTree::Ident(name)) = tokens.get(index + 1) else { continue };
                let line = word.span().start().line;
                if let Some(end) = last_line(&tokens[index + 2..]) {
                    let length = (end + 1).saturating_sub(line);
                    found.push(Function { name: name.to_string(), line, length });
                }
            }
            TokenTree::Group(group) => collect(group.stream(), found),
            _ => {}
        }
    }
}

/// The line of the brace that closes the body; `None` for a function without a body.
fn last_line(rest: &[TokenTree]) -> Option<usize> {
    rest.iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            Some(Some(group.span_close().end().line))
        }
        TokenTree::Punct(punct) if punct.as_char() == ';' => Some(None),
        _ => None,
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_their_first_word_to_their_last_brace() {
        let text = "/// Doc.\n#[inline]\npub fn f<T>(\n    x: T,\n) -> [u8; 2]\nwhere\n    T: Copy,\n{\n    \
                    fn g() {}\n}\ntrait T {\n    fn h();\n    fn i() {\n    }\n}\ntype P = fn(u8);\n";
        let found = functions(text.parse().unwrap());
        let found: Vec<_> = found.iter().map(|f| (&*f.name, f.line, f.length)).collect();
        assert_eq!(found, [("f", 3, 8), ("g", 9, 1), ("i", 13, 2)]);
    }
}
