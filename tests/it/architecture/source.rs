//! The source of one crate, parsed: its modules, the items that each defines, and the paths that each uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Item, ItemMod, Signature, UseTree, Visibility};

/// A name that a file defines.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// Kind of item: `type`, `function`, `module`, `field`, `variant` or `constant`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// True for an item that other modules see (`pub`, `pub(crate)`, `pub(super)`) and that has no doc comment.
    pub(super) undocumented: bool,
}

/// A function with a body, outside tests.
#[derive(Debug, Clone)]
pub(super) struct FunctionBody {
    pub(super) name: String,
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// Number of lines between the braces.
    pub(super) body_lines: usize,
}

/// One source file of a crate.
#[derive(Debug, Default)]
pub(super) struct SourceFile {
    pub(super) text: String,
    pub(super) definitions: Vec<Definition>,
    pub(super) functions: Vec<FunctionBody>,
    /// Absolute paths (from the crate's root) that the file's code names, without those of tests.
    paths: Vec<Vec<String>>,
    /// `pub use`: the name that it offers and the absolute path behind it; `*` for a glob.
    reexports: Vec<(String, Vec<String>)>,
    /// Identifiers in the code outside `use` declarations.
    identifiers: BTreeSet<String>,
    /// Names that private `use` declarations bring into scope, with their absolute paths.
    scope: BTreeMap<String, Vec<String>>,
}

/// The files of a crate by module path; the root has the empty path.
#[derive(Debug, Default)]
pub(super) struct Crate {
    pub(super) files: BTreeMap<Vec<String>, SourceFile>,
}

/// The module path of a file below `src`.
fn module_path(relative: &str) -> Vec<String> {
    let stem = relative.trim_end_matches(".rs");
    if matches!(stem, "lib" | "main") {
        return Vec::new();
    }
    stem.split('/').map(str::to_owned).collect()
}

impl Crate {
    /// Parses every file below `folder`, the crate's `src`.
    pub(super) fn read(folder: &Path) -> Self {
        let mut sources = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(current) = folders.pop() {
            for entry in std::fs::read_dir(&current).expect("a readable folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let relative = path.strip_prefix(folder).expect("it lies below").to_string_lossy().into_owned();
                    // A binary's root is not a module of the library.
                    if relative != "main.rs" || !folder.join("lib.rs").exists() {
                        sources.insert(relative, std::fs::read_to_string(&path).expect("a readable file"));
                    }
                }
            }
        }
        Self::parse(&sources)
    }

    /// Parses sources given by their path below `src`.
    pub(super) fn parse(sources: &BTreeMap<String, String>) -> Self {
        let files = sources.iter().map(|(relative, text)| {
            let module = module_path(relative);
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{relative}: {error}"));
            let mut reader =
                Reader { module: module.clone(), file: SourceFile { text: text.clone(), ..SourceFile::default() } };
            reader.visit_file(&parsed);
            (module, reader.file)
        });
        Self { files: files.collect() }
    }

    /// The path of a module's file, as a person would write it.
    pub(super) fn name(module: &[String]) -> String {
        if module.is_empty() { "lib".to_owned() } else { module.join("/") }
    }

    /// The file that defines what `path` names, following re-exports; `None` for what lies outside the crate.
    fn resolve(&self, path: &[String], depth: usize) -> Option<Vec<String>> {
        let mut module: Vec<String> = Vec::new();
        for segment in path {
            let mut child = module.clone();
            child.push(segment.clone());
            if self.files.contains_key(&child) {
                module = child;
                continue;
            }
            let file = self.files.get(&module)?;
            if file.definitions.iter().any(|definition| definition.name == *segment) || depth > 8 {
                return Some(module);
            }
            for (name, target) in &file.reexports {
                if name == segment {
                    return self.resolve(target, depth + 1);
                }
                if name == "*" {
                    let through = [target.clone(), vec![segment.clone()]].concat();
                    if let Some(found) = self.resolve(&through, depth + 1)
                        && found != module
                        && self.files[&found].definitions.iter().any(|definition| definition.name == *segment)
                    {
                        return Some(found);
                    }
                }
            }
            return Some(module);
        }
        Some(module)
    }

    /// The files that each file depends on. A re-export alone is no dependency: a facade names what it does not use.
    pub(super) fn imports(&self) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
        let mut imports = BTreeMap::new();
        for (module, file) in &self.files {
            let used_reexports =
                file.reexports.iter().filter(|(name, _)| file.identifiers.contains(name)).map(|(_, path)| path);
            let mut targets: BTreeSet<Vec<String>> =
                file.paths.iter().chain(used_reexports).filter_map(|path| self.resolve(path, 0)).collect();
            targets.remove(module);
            imports.insert(module.clone(), targets);
        }
        imports
    }

    /// Groups of files that depend on each other in a circle, each sorted by name. Test modules may import what they
    /// test.
    pub(super) fn cycles(&self) -> Vec<Vec<String>> {
        let mut imports = self.imports();
        imports.retain(|module, _| !module.iter().any(|segment| segment == "tests"));
        let reachable = |from: &Vec<String>| {
            let mut seen: BTreeSet<&Vec<String>> = BTreeSet::new();
            let mut open: Vec<&Vec<String>> = imports[from].iter().collect();
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(imports.get(next).into_iter().flatten());
                }
            }
            seen
        };
        let reach: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> =
            imports.keys().map(|module| (module, reachable(module))).collect();
        let mut cycles: BTreeSet<Vec<String>> = BTreeSet::new();
        for (module, seen) in &reach {
            if seen.contains(*module) {
                let group = seen.iter().filter(|other| reach[**other].contains(*module));
                cycles.insert(group.map(|other| Self::name(other)).collect());
            }
        }
        cycles.into_iter().collect()
    }
}

/// Collects what a file defines and uses.
struct Reader {
    module: Vec<String>,
    file: SourceFile,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| {
                    list.tokens
                        .clone()
                        .into_iter()
                        .any(|token| matches!(token, TokenTree::Ident(name) if name == "test"))
                })
    })
}

impl Reader {
    /// The absolute path of one that the code writes; `None` for one that begins outside the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut module = self.module.clone();
        let mut rest = path;
        match path.first().map(String::as_str)? {
            "crate" => {
                module.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    module.pop()?;
                    rest = &rest[1..];
                }
            }
            first => {
                if let Some(known) = self.file.scope.get(first) {
                    return Some([known.clone(), path[1..].to_vec()].concat());
                }
                let declares = |definition: &Definition| definition.kind == "module" && definition.name == first;
                if !self.file.definitions.iter().any(declares) {
                    return None;
                }
            }
        }
        module.extend(rest.iter().cloned());
        Some(module)
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>, public: bool) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.use_tree(&path.tree, prefix, public);
                prefix.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(tree, prefix, public)),
            UseTree::Name(name) if name.ident == "self" => {
                let last = prefix.last().cloned().unwrap_or_default();
                self.used(prefix.clone(), last, public);
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.used([prefix.clone(), vec![name.clone()]].concat(), name, public);
            }
            UseTree::Rename(rename) => {
                let mut path = prefix.clone();
                if rename.ident != "self" {
                    path.push(rename.ident.to_string());
                }
                self.used(path, rename.rename.to_string(), public);
            }
            UseTree::Glob(_) => self.used(prefix.clone(), "*".to_owned(), public),
        }
    }

    fn used(&mut self, path: Vec<String>, name: String, public: bool) {
        let Some(absolute) = self.absolute(&path) else { return };
        if public {
            self.file.reexports.push((name, absolute));
        } else {
            self.file.scope.insert(name, absolute.clone());
            self.file.paths.push(absolute);
        }
    }

    fn define(
        &mut self,
        kind: &'static str,
        name: &proc_macro2::Ident,
        visibility: &Visibility,
        attributes: &[Attribute],
    ) {
        let documented = attributes.iter().any(|attribute| attribute.path().is_ident("doc"));
        let visible = !matches!(visibility, Visibility::Inherited);
        let line = name.span().start().line;
        let name = name.to_string();
        self.file.definitions.push(Definition { kind, name, line, undocumented: visible && !documented });
    }

    fn function(&mut self, signature: &Signature, body: &Block) {
        let braces = body.brace_token.span;
        self.file.functions.push(FunctionBody {
            name: signature.ident.to_string(),
            line: signature.ident.span().start().line,
            body_lines: braces.close().start().line.saturating_sub(braces.open().start().line + 1),
        });
    }

    fn path(&mut self, segments: &[String]) {
        if segments.len() > 1
            && let Some(absolute) = self.absolute(segments)
        {
            self.file.paths.push(absolute);
        }
    }

    /// Paths within the tokens of a macro call.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    self.file.identifiers.insert(name.to_string());
                    if colons != 2 {
                        self.path(&std::mem::take(&mut path));
                        path.clear();
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.path(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(&path);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_file(&mut self, file: &'ast syn::File) {
        // Modules and imports first: they give the names that the code below uses, wherever they stand.
        for item in &file.items {
            if let Item::Mod(module) = item
                && module.content.is_none()
            {
                self.define("module", &module.ident, &Visibility::Inherited, &[]);
            }
        }
        for item in &file.items {
            if let Item::Use(declaration) = item
                && !is_test(&declaration.attrs)
            {
                let public = !matches!(declaration.vis, Visibility::Inherited);
                self.use_tree(&declaration.tree, &mut Vec::new(), public);
            }
        }
        visit::visit_file(self, file);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.content.is_some() && !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    // `pub(in path)` names a scope and imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.define("type", &item.ident, &item.vis, &item.attrs);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.define("type", &item.ident, &item.vis, &item.attrs);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.define("type", &item.ident, &item.vis, &item.attrs);
        visit::visit_item_union(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.define("type", &item.ident, &item.vis, &item.attrs);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.define("type", &item.ident, &item.vis, &item.attrs);
        visit::visit_item_type(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.define("constant", &item.ident, &item.vis, &item.attrs);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.define("constant", &item.ident, &item.vis, &item.attrs);
        visit::visit_item_static(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.define("function", &item.sig.ident, &item.vis, &item.attrs);
            self.function(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.define("function", &item.sig.ident, &item.vis, &item.attrs);
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.define("constant", &item.ident, &item.vis, &item.attrs);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.define("function", &item.sig.ident, &Visibility::Inherited, &item.attrs);
        if let Some(body) = &item.default {
            self.function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            // A field's name and type often say all there is to say.
            self.define("field", name, &Visibility::Inherited, &field.attrs);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.define("variant", &variant.ident, &Visibility::Inherited, &variant.attrs);
        visit::visit_variant(self, variant);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(name) = &item.ident {
            self.define("macro", name, &Visibility::Inherited, &item.attrs);
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&segments);
        visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, ident: &'ast proc_macro2::Ident) {
        self.file.identifiers.insert(ident.to_string());
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}
