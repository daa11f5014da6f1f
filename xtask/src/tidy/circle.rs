//! Import circles between the modules of a crate. Pure.
//!
//! A name that a module only passes on (`pub use`) belongs to the module that defines it, so that
//! importing it from the parent is no import of the parent.

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
};

use super::imports::{Content, Path};

/// How often a name may be passed on; an error in a file could pass it on for ever.
const MAX_RE_EXPORTS: usize = 16;

/// The modules of a crate that are files: the words of their paths, and what they contain. The crate's
/// root has no words.
pub(super) type Modules = BTreeMap<Path, Content>;

/// Which module imports which, and on which line first.
#[derive(Debug, Default)]
pub(super) struct Imports(BTreeMap<Path, BTreeMap<Path, usize>>);

impl Imports {
    /// Finds what each module imports from other modules of its crate.
    pub(super) fn of(modules: &Modules) -> Self {
        let mut imports = Self::default();
        for (module, content) in modules {
            let paths = content.uses.iter().map(|one| (&one.inner, &one.path, one.line));
            let named = content.imports.iter().filter(|import| !import.is_re_export);
            let paths = paths.chain(named.map(|import| (&import.inner, &import.path, import.line)));
            for (inner, path, line) in paths {
                let place = [&module[..], inner].concat();
                let Some(path) = absolute(modules, &place, path) else { continue };
                let target = definer(modules, &path, MAX_RE_EXPORTS);
                if target != *module {
                    imports.0.entry(module.clone()).or_default().entry(target).or_insert(line);
                }
            }
        }
        imports
    }

    /// Takes an import out; `false` when there is no such import.
    pub(super) fn remove(&mut self, from: &[String], to: &[String]) -> bool {
        self.0.get_mut(from).is_some_and(|targets| targets.remove(to).is_some())
    }

    /// The line on which one module imports the other.
    pub(super) fn line(&self, from: &[String], to: &[String]) -> Option<usize> {
        self.0.get(from)?.get(to).copied()
    }

    /// The shortest way from one module to another by imports, with both.
    pub(super) fn way(&self, from: &Path, to: &Path) -> Option<Vec<Path>> {
        let mut ways = vec![vec![from.clone()]];
        let mut seen = BTreeSet::from([from.clone()]);
        while !ways.is_empty() {
            let mut next = Vec::new();
            for way in ways {
                let Some(last) = way.last() else { continue };
                for target in self.0.get(last).into_iter().flat_map(BTreeMap::keys) {
                    let longer = [&way[..], slice::from_ref(target)].concat();
                    if target == to {
                        return Some(longer);
                    }
                    if seen.insert(target.clone()) {
                        next.push(longer);
                    }
                }
            }
            ways = next;
        }
        None
    }

    /// The circles: for each module that is in one and in no circle before, a shortest one, which
    /// begins and ends with it.
    pub(super) fn circles(&self) -> Vec<Vec<Path>> {
        let mut circles: Vec<Vec<Path>> = Vec::new();
        for module in self.0.keys() {
            if circles.iter().any(|circle| circle.contains(module)) {
                continue;
            }
            circles.extend(self.way(module, module));
        }
        circles
    }
}

/// A path from the crate's root; `None` for one that leads into another crate.
fn absolute(modules: &Modules, place: &[String], path: &[String]) -> Option<Path> {
    let mut base = match path.first()?.as_str() {
        "crate" => Path::new(),
        "self" | "super" => place.to_vec(),
        child => {
            let inside = [place, &[child.to_owned()]].concat();
            return modules.contains_key(&inside).then(|| [place, path].concat());
        }
    };
    let mut rest = &path[1..];
    if path[0] == "super" {
        base.pop();
    }
    while rest.first().is_some_and(|word| word == "super") {
        base.pop();
        rest = &rest[1..];
    }
    base.extend(rest.iter().filter(|word| *word != "self").cloned());
    Some(base)
}

/// The module that defines what a path names.
fn definer(modules: &Modules, path: &[String], limit: usize) -> Path {
    let mut length = path.len();
    while !modules.contains_key(&path[..length]) {
        length -= 1;
    }
    let (module, rest) = path.split_at(length);
    let (Some(name), Some(content)) = (rest.first(), modules.get(module)) else {
        return module.to_vec();
    };
    if limit == 0 || content.items.contains(name) {
        return module.to_vec();
    }
    for import in &content.imports {
        let Some(source) = absolute(modules, module, &import.path) else { continue };
        if import.name == *name {
            return definer(modules, &[&source, &rest[1..]].concat(), limit - 1);
        }
        if import.name == "*" {
            let found = definer(modules, &[&source[..], rest].concat(), limit - 1);
            if modules.get(&found).is_some_and(|content| content.items.contains(name)) {
                return found;
            }
        }
    }
    module.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::imports::read;

    fn modules(files: &[(&str, &str)]) -> Modules {
        let words = |path: &str| -> Path {
            path.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        files.iter().map(|(path, text)| (words(path), read(text.parse().unwrap()))).collect()
    }

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let imports = Imports::of(&modules(files));
        let words = |circle: &Vec<Path>| {
            circle.iter().map(|path| path.join("::")).collect::<Vec<_>>().join(" > ")
        };
        imports.circles().iter().map(words).collect()
    }

    #[test]
    fn two_modules_that_import_each_other_are_a_circle() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "use crate::b::B; struct A;"),
            ("b", "fn f(a: super::a::A) {} struct B;"),
        ];
        assert_eq!(circles(&files), ["a > b > a"]);
    }

    #[test]
    fn re_exported_names_belong_to_the_module_that_defines_them() {
        let files = [
            ("", "mod a; mod b; mod c; pub use a::A; pub use b::*; pub(crate) use c::inner::C;"),
            ("a", "use crate::{B, C}; pub struct A;"),
            ("b", "pub struct B;"),
            ("c", "pub(crate) mod inner;"),
            ("c::inner", "use super::super::A; pub struct C;"),
        ];
        assert_eq!(circles(&files), ["a > c::inner > a"]);
        let files = [files[0], ("a", "use crate::B; pub struct A;"), files[2], files[3], files[4]];
        assert_eq!(circles(&files), [""; 0]);
    }

    #[test]
    fn parent_that_uses_its_child_and_is_used_by_it_is_a_circle() {
        let files = [
            ("", "mod a;"),
            ("a", "mod b; fn f() { b::g() }"),
            ("a::b", "use super::f; pub fn g() {}"),
        ];
        assert_eq!(circles(&files), ["a > a::b > a"]);
    }

    #[test]
    fn tests_and_other_crates_make_no_circle() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "use crate::b::B; use b::X; pub struct A;"),
            ("b", "use std::a::A; pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
        ];
        assert_eq!(circles(&files), [""; 0]);
    }

    #[test]
    fn removed_import_breaks_the_circle() {
        let files = [("", ""), ("a", "use crate::b::B;"), ("b", "\nuse crate::a::A;")];
        let mut imports = Imports::of(&modules(&files));
        let (a, b) = (vec!["a".to_owned()], vec!["b".to_owned()]);
        assert_eq!(imports.line(&b, &a), Some(2));
        assert!(imports.remove(&b, &a));
        assert!(!imports.remove(&b, &a));
        assert_eq!(imports.circles(), Vec::<Vec<Path>>::new());
    }
}
