//! Which file of a crate takes which names from which other: read off its `use` lines and paths.
//!
//! What only tests use (`#[cfg(test)]`) does not count. A name that is handed on by `pub use` counts
//! as taken from where it is defined. Naming a child (`mod child;`) takes nothing from it.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree, Visibility};

/// The names that one file takes from another, by both of them.
pub type Imports = BTreeMap<(String, String), BTreeSet<String>>;

/// Reads a crate whose root is `lib.rs`. `source` has the text of a file, by its path beside the
/// root.
///
/// # Errors
/// A file that can't be read, and names that lead nowhere: what is not understood must not look like
/// a house without circles.
pub fn read(source: &dyn Fn(&str) -> Option<String>) -> Result<Imports, String> {
    let mut tree = Tree::default();
    tree.read_file(source, &[], "lib.rs")?;
    tree.imports()
}

/// A module by its names, from the root.
type ModulePath = Vec<String>;

#[derive(Default)]
struct Tree {
    modules: HashMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    file: String,
    /// What is defined here, but for modules.
    items: BTreeSet<String>,
    /// Names made by `use`, and the paths that they stand for: one in each namespace at the most.
    names: HashMap<String, Vec<Vec<String>>>,
    /// Paths whose names are all here.
    globs: Vec<Vec<String>>,
    /// Every path that is used.
    paths: Vec<Vec<String>>,
    /// Part of it is made by the build, and can't be read here.
    is_generated: bool,
}

/// What a path leads to.
enum Target {
    /// A name that is defined in a file.
    Item {
        file: String,
        name: String,
    },
    Module(ModulePath),
}

impl Tree {
    fn read_file(
        &mut self,
        source: &dyn Fn(&str) -> Option<String>,
        module: &[String],
        file: &str,
    ) -> Result<(), String> {
        let text = source(file).ok_or_else(|| format!("{file} is not there"))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("{file}: {error}"))?;
        self.read_items(source, module, file, &parsed.items)
    }

    fn read_items(
        &mut self,
        source: &dyn Fn(&str) -> Option<String>,
        path: &[String],
        file: &str,
        items: &[Item],
    ) -> Result<(), String> {
        let mut reader = Reader::default();
        reader.module.file = file.to_owned();
        let mut children = Vec::new();
        for item in items {
            let (name, attributes) = named(item);
            if is_for_tests(attributes) {
                continue;
            }
            match item {
                Item::Mod(child) => children.push(child),
                Item::ForeignMod(block) => {
                    let names = block.items.iter().filter_map(foreign_name);
                    reader.module.items.extend(names);
                }
                _ => {}
            }
            reader.module.items.extend(name);
            reader.visit_item(item);
        }
        self.modules.insert(path.to_vec(), reader.module);
        for name in items.iter().filter_map(exported_macro) {
            let here = path.iter().chain([&name]).cloned();
            let stands_for = ["crate".to_owned()].into_iter().chain(here).collect();
            let root = self.modules.entry(Vec::new()).or_default();
            root.names.entry(name).or_default().push(stands_for);
        }
        for child in children {
            let name = child.ident.to_string();
            let below: ModulePath = path.iter().chain([&name]).cloned().collect();
            match &child.content {
                Some((_, items)) => self.read_items(source, &below, file, items)?,
                None => {
                    let file = format!("{}.rs", below.join("/"));
                    self.read_file(source, &below, &file)?;
                }
            }
        }
        Ok(())
    }

    fn imports(&self) -> Result<Imports, String> {
        let mut imports = Imports::new();
        for (path, module) in &self.modules {
            for taken in &module.paths {
                let targets = self.targets(path, taken, 0);
                let is_ours = matches!(
                    taken.first().map(String::as_str),
                    Some("crate" | "super" | "self")
                );
                if targets.is_empty() && is_ours && taken.len() > 1 {
                    let taken = taken.join("::");
                    return Err(format!("{}: {taken} leads nowhere", module.file));
                }
                for target in targets {
                    let (file, name) = match target {
                        Target::Item { file, name } => (file, name),
                        Target::Module(path) => {
                            let name = path.last().cloned().unwrap_or_default();
                            (self.modules[&path].file.clone(), name)
                        }
                    };
                    if file != module.file {
                        let arrow = (module.file.clone(), file);
                        imports.entry(arrow).or_default().insert(name);
                    }
                }
            }
        }
        Ok(imports)
    }

    /// What a path that stands in a module leads to; several where a name is both, say, a module and
    /// a function.
    fn targets(&self, from: &ModulePath, path: &[String], depth: usize) -> Vec<Target> {
        // Names that are handed on in a ring lead nowhere.
        if depth > 16 {
            return Vec::new();
        }
        let Some((first, rest)) = path.split_first() else {
            return vec![Target::Module(from.clone())];
        };
        match first.as_str() {
            "crate" => return self.targets(&Vec::new(), rest, depth + 1),
            "self" => return self.targets(from, rest, depth),
            "super" => {
                let above = from.split_last().map_or(&[][..], |(_, above)| above);
                return self.targets(&above.to_vec(), rest, depth);
            }
            _ => {}
        }
        let Some(module) = self.modules.get(from) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let child: ModulePath = from.iter().chain([first]).cloned().collect();
        if self.modules.contains_key(&child) {
            found.extend(self.targets(&child, rest, depth + 1));
            // A function of the module's name has nothing below it.
            if !rest.is_empty() {
                return found;
            }
        }
        // Of an enum's variant or a type's function, the type is what is taken.
        if module.items.contains(first) {
            found.push(Target::Item {
                file: module.file.clone(),
                name: first.clone(),
            });
        }
        for stands_for in module.names.get(first).into_iter().flatten() {
            let whole = [&stands_for[..], rest].concat();
            found.extend(self.targets(from, &whole, depth + 1));
        }
        if found.is_empty() {
            for glob in &module.globs {
                let whole = [&glob[..], path].concat();
                found.extend(self.targets(from, &whole, depth + 1));
            }
        }
        // What another crate has is taken from where it is handed on.
        let is_foreign = module.names.contains_key(first);
        if found.is_empty() && (is_foreign || module.is_generated) {
            found.push(Target::Item {
                file: module.file.clone(),
                name: first.clone(),
            });
        }
        found
    }
}

/// Reads what stands in a module, apart from its child modules.
#[derive(Default)]
struct Reader {
    module: Module,
}

impl Reader {
    fn read_use(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.read_use(&path.tree, &with(&path.ident)),
            UseTree::Name(name) if name.ident == "self" => self.take(before.to_vec(), None),
            UseTree::Name(name) => self.take(with(&name.ident), None),
            UseTree::Rename(rename) if rename.ident == "self" => {
                self.take(before.to_vec(), Some(rename.rename.to_string()));
            }
            UseTree::Rename(rename) => {
                self.take(with(&rename.ident), Some(rename.rename.to_string()));
            }
            UseTree::Glob(_) => {
                self.module.globs.push(before.to_vec());
                self.module.paths.push(before.to_vec());
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, before);
                }
            }
        }
    }

    fn take(&mut self, path: Vec<String>, alias: Option<String>) {
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        // `use x;` where x is a crate: nothing of ours.
        if path.len() > 1 {
            let paths = self.module.names.entry(name).or_default();
            if !paths.contains(&path) {
                paths.push(path.clone());
            }
        }
        self.module.paths.push(path);
    }

    /// Paths in the arguments of a macro or an attribute, which have no syntax of their own.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path);
                    self.read_tokens(group.stream());
                    colons = 0;
                }
                _ => {
                    self.end_path(&mut path);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.module.paths.push(std::mem::take(path));
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        // Modules are read by themselves.
        if !matches!(item, Item::Mod(_)) && !is_for_tests(named(item).1) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.read_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        // `::name` is a crate.
        if path.leading_colon.is_none() {
            let names = path.segments.iter().map(|part| part.ident.to_string());
            self.module.paths.push(names.collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.is_ident("include") {
            self.module.is_generated = true;
        }
        self.read_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.read_tokens(list.tokens.clone());
        }
    }

    /// Who may see a name is not taken from.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// The name that an item makes in its module, and its attributes.
fn named(item: &Item) -> (Option<String>, &[Attribute]) {
    let (name, attributes) = match item {
        Item::Const(item) => (Some(&item.ident), &item.attrs),
        Item::Enum(item) => (Some(&item.ident), &item.attrs),
        Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
        Item::Static(item) => (Some(&item.ident), &item.attrs),
        Item::Struct(item) => (Some(&item.ident), &item.attrs),
        Item::Trait(item) => (Some(&item.ident), &item.attrs),
        Item::TraitAlias(item) => (Some(&item.ident), &item.attrs),
        Item::Type(item) => (Some(&item.ident), &item.attrs),
        Item::Union(item) => (Some(&item.ident), &item.attrs),
        Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
        Item::ForeignMod(item) => (None, &item.attrs),
        Item::Impl(item) => (None, &item.attrs),
        Item::Mod(item) => (None, &item.attrs),
        Item::Use(item) => (None, &item.attrs),
        _ => return (None, &[]),
    };
    (name.map(ToString::to_string), attributes)
}

fn foreign_name(item: &syn::ForeignItem) -> Option<String> {
    match item {
        syn::ForeignItem::Fn(item) => Some(item.sig.ident.to_string()),
        syn::ForeignItem::Static(item) => Some(item.ident.to_string()),
        syn::ForeignItem::Type(item) => Some(item.ident.to_string()),
        _ => None,
    }
}

/// The name of a macro that stands at the root of the crate, wherever it is defined.
fn exported_macro(item: &Item) -> Option<String> {
    let (name, attributes) = named(item);
    let exported = |attribute: &Attribute| attribute.path().is_ident("macro_export");
    name.filter(|_| attributes.iter().any(exported))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return attribute.path().is_ident("test");
        };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg") && condition.contains("test") && !condition.contains("not")
    })
}
