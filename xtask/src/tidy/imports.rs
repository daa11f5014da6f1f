//! What a file defines, imports and names by a path. Pure.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::tokens::{is_path_separator, is_punct};

/// The words of a path, such as `crate`, `run`, `cleanup`.
pub(super) type Path = Vec<String>;

/// A name that a `use` brings into a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// The module that it is in, below the file's own: empty but for modules in braces.
    pub(super) inner: Path,
    pub(super) path: Path,
    /// The name that it is imported as; `*` for a glob.
    pub(super) name: String,
    /// Whether it is visible outside, so that it only passes the name on.
    pub(super) is_re_export: bool,
    pub(super) line: usize,
}

/// A path in code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) inner: Path,
    pub(super) path: Path,
    pub(super) line: usize,
}

/// A file's content, without what is compiled for tests only.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) imports: Vec<Import>,
    pub(super) uses: Vec<Use>,
    /// The names of its items.
    pub(super) items: Vec<String>,
    /// Modules in files of their own that are compiled for tests only.
    pub(super) test_modules: Vec<String>,
}

/// Reads a file.
pub(super) fn read(tokens: TokenStream) -> Content {
    let mut content = Content::default();
    walk(tokens, &[], true, &mut content);
    content
}

fn walk(tokens: TokenStream, inner: &[String], is_module: bool, content: &mut Content) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let rest = &tokens[index + 1..];
        index += 1;
        match token {
            TokenTree::Punct(_) if is_punct(Some(token), '#') => {
                if let Some(TokenTree::Group(attribute)) = rest.first()
                    && is_for_tests(attribute)
                {
                    index += skip_item(rest, content);
                }
            }
            TokenTree::Ident(word) if word == "use" => {
                let end = rest.iter().position(|token| is_punct(Some(token), ';'));
                let end = end.unwrap_or(rest.len());
                let (is_re_export, line) =
                    (is_public(&tokens[..index - 1]), word.span().start().line);
                let import = Import {
                    inner: inner.to_vec(),
                    path: Vec::new(),
                    name: String::new(),
                    is_re_export,
                    line,
                };
                read_tree(&rest[..end], &import, &mut content.imports);
                index += end;
            }
            TokenTree::Ident(word) if word == "mod" && is_module => {
                let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) =
                    (rest.first(), rest.get(1))
                else {
                    continue;
                };
                walk(group.stream(), &[inner, &[name.to_string()]].concat(), true, content);
                index += 2;
            }
            TokenTree::Ident(word) => {
                if is_module && defines(&word.to_string()) {
                    content.items.extend(first_name(rest));
                }
                if starts_path(&tokens[..index - 1], rest) {
                    let path = read_path(&tokens[index - 1..]);
                    let line = word.span().start().line;
                    content.uses.push(Use { inner: inner.to_vec(), path, line });
                }
            }
            TokenTree::Group(group) => walk(group.stream(), inner, false, content),
            _ => {}
        }
    }
}

/// How many tokens the attribute and the item after it have. Notes a module in a file of its own.
fn skip_item(rest: &[TokenTree], content: &mut Content) -> usize {
    let end = rest.iter().position(|token| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(Some(token), ';'),
    });
    let end = end.map_or(rest.len(), |end| end + 1);
    let words: Vec<_> = rest[..end].iter().map(ToString::to_string).collect();
    if let [.., keyword, name, semicolon] = &words[..]
        && keyword == "mod"
        && semicolon == ";"
    {
        content.test_modules.push(name.clone());
    }
    end
}

/// Whether an attribute is `cfg(test)`, also in a longer condition.
fn is_for_tests(attribute: &Group) -> bool {
    let mut tokens = attribute.stream().into_iter();
    let is_condition = matches!(tokens.next(), Some(TokenTree::Ident(word)) if word == "cfg");
    let condition = tokens.next().map(|token| token.to_string()).unwrap_or_default();
    let mut words = condition.split(|c: char| !c.is_alphanumeric() && c != '_');
    is_condition && words.clone().any(|word| word == "test") && !words.any(|word| word == "not")
}

/// Whether the tokens before an item end in `pub` or `pub(…)`.
fn is_public(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Ident(word)] | [.., TokenTree::Ident(word), TokenTree::Group(_)] => {
            word == "pub"
        }
        _ => false,
    }
}

fn defines(keyword: &str) -> bool {
    ["struct", "enum", "union", "trait", "type", "const", "static", "fn"].contains(&keyword)
}

fn first_name(rest: &[TokenTree]) -> Option<String> {
    match rest.first()? {
        TokenTree::Ident(name) => Some(name.to_string()),
        _ => None,
    }
}

/// Whether a word is the first of a path.
fn starts_path(before: &[TokenTree], rest: &[TokenTree]) -> bool {
    let continues = before.len() > 1 && is_path_separator(&before[before.len() - 2..]);
    !continues && is_path_separator(rest)
}

/// The words of the path that the tokens begin with.
fn read_path(tokens: &[TokenTree]) -> Path {
    let mut path = Path::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(word), after @ ..] = rest {
        path.push(word.to_string());
        if !is_path_separator(after) {
            break;
        }
        rest = &after[2..];
    }
    path
}

/// Reads the tree of a `use`: `a::{b, c::*}`.
fn read_tree(tokens: &[TokenTree], import: &Import, imports: &mut Vec<Import>) {
    let mut import = import.clone();
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        match token {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| is_punct(Some(token), ',')) {
                    read_tree(branch, &import, imports);
                }
                return;
            }
            TokenTree::Ident(word) if word == "as" => {
                import.name = first_name(&rest[1..]).unwrap_or_default();
                break;
            }
            TokenTree::Ident(word) => {
                import.name = word.to_string();
                import.path.push(import.name.clone());
            }
            token if is_punct(Some(token), '*') => "*".clone_into(&mut import.name),
            _ => {}
        }
        rest = &rest[1..];
    }
    // After the last comma of a group there may be nothing.
    if !tokens.is_empty() && !import.path.is_empty() {
        imports.push(import);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Content {
        read(text.parse().unwrap())
    }

    #[test]
    fn imports_are_read_with_names_and_visibility() {
        let content = of("use crate::a::{self, B, c::*, D as E,};\npub(crate) use x::Y;\n\
                          mod m { use super::Z; }\nfn f() { use super::W; }\n");
        let imports: Vec<_> = content
            .imports
            .iter()
            .map(|one| (one.path.join("::"), &*one.name, one.is_re_export, one.line))
            .collect();
        let expected = [
            ("crate::a::self", "self", false, 1),
            ("crate::a::B", "B", false, 1),
            ("crate::a::c", "*", false, 1),
            ("crate::a::D", "E", false, 1),
            ("x::Y", "Y", true, 2),
            ("super::Z", "Z", false, 3),
            ("super::W", "W", false, 4),
        ];
        let expected =
            expected.map(|(path, name, public, line)| (path.to_owned(), name, public, line));
        assert_eq!(imports, expected);
        assert_eq!(content.imports[5].inner, ["m"]);
    }

    #[test]
    fn paths_and_items_are_read_and_tests_are_not() {
        let content = of("struct S { x: crate::a::T<super::U> }\nfn f() { child::g(); s.h(); }\n\
                          #[cfg(test)]\nmod tests { use super::*; fn t() { crate::x::y() } }\n\
                          #[cfg(all(test, unix))]\nmod more;\n#[cfg(not(test))]\nconst C: u8 = 1;");
        let paths: Vec<_> = content.uses.iter().map(|one| one.path.join("::")).collect();
        assert_eq!(paths, ["crate::a::T", "super::U", "child::g"]);
        assert_eq!(content.items, ["S", "f", "C"]);
        assert_eq!(content.test_modules, ["more"]);
        assert_eq!(content.imports, []);
    }
}
