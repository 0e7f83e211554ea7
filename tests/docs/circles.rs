//! No file of the module depends, however indirectly, on one that depends on it: so each can be
//! read and changed before those above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use libtest_mimic::{Failed, Trial};

use super::imports::{self, Imports};

/// The trials.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("no cycle of files in src", || no_circle(|file| file)),
        Trial::test("no cycle of folders in src", || no_circle(room)),
        Trial::test("a cycle of files is found", circles_are_found),
        Trial::test("what is not a cycle is not reported", others_are_not),
        Trial::test("names that lead nowhere are found", names_lead_somewhere),
    ]
}

/// What a file belongs to: a folder of src, together with the file of the same name.
fn room(file: &str) -> &str {
    let end = file.find('/').or_else(|| file.rfind(".rs"));
    file.get(..end.unwrap_or(file.len())).unwrap_or(file)
}

fn no_circle(of: fn(&str) -> &str) -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let imports = imports::read(&|file| std::fs::read_to_string(folder.join(file)).ok())?;
    let rooms: BTreeSet<&str> = imports.keys().map(|(file, _)| room(file)).collect();
    if rooms.len() < 10 {
        return Err(format!("the folders of src are not {rooms:?}").into());
    }
    match circles(&grouped(&imports, of)) {
        found if found.is_empty() => Ok(()),
        found => Err(found.into()),
    }
}

/// The same imports between groups of files.
fn grouped(imports: &Imports, group: fn(&str) -> &str) -> Imports {
    let mut grouped = Imports::new();
    for ((file, other), names) in imports {
        let (file, other) = (group(file).to_owned(), group(other).to_owned());
        if file != other {
            let taken: &mut BTreeSet<_> = grouped.entry((file, other)).or_default();
            taken.extend(names.iter().cloned());
        }
    }
    grouped
}

/// Every cycle in words, with the names that form it; empty if there are none.
fn circles(imports: &Imports) -> String {
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in imports.keys() {
        others.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = others
        .keys()
        .map(|file| {
            let mut found = BTreeSet::new();
            let mut open = vec![*file];
            while let Some(next) = open.pop() {
                let others = others.get(next).into_iter().flatten();
                open.extend(others.filter(|other| found.insert(**other)));
            }
            (*file, found)
        })
        .collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut words = String::new();
    let mut done = BTreeSet::new();
    for file in reached.keys().filter(|file| reaches(file, file)) {
        let circle: BTreeSet<&str> = (reached.keys().copied())
            .filter(|other| reaches(file, other) && reaches(other, file))
            .collect();
        if !done.insert(circle.clone()) {
            continue;
        }
        _ = writeln!(words, "a cycle of {} in src:", circle.len());
        for ((from, to), names) in imports {
            if circle.contains(from.as_str()) && circle.contains(to.as_str()) {
                let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
                _ = writeln!(words, "  {from} imports from {to}: {names}");
            }
        }
    }
    words
}

/// What is found in a made-up crate.
fn found_in(files: &[(&str, &str)]) -> Result<String, String> {
    Ok(circles(&imports_in(files)?))
}

fn imports_in(files: &[(&str, &str)]) -> Result<Imports, String> {
    imports::read(&|wanted| {
        let file = files.iter().find(|(name, _)| *name == wanted);
        file.map(|(_, text)| (*text).to_owned())
    })
}

fn circles_are_found() -> Result<(), Failed> {
    let lib = ("lib.rs", "mod a; mod b;");
    let b = ("b.rs", "pub struct B(super::a::A);");
    // Every way to import B from b.rs.
    for a in [
        "pub struct A; use crate::b::B;",
        "pub struct A; use super::b::{self, B as Other};",
        "pub struct A; use super::{b::{B}};",
        "pub struct A; use crate::b; fn f(_: b::B) {}",
        "pub struct A; fn f() { let _: Vec<crate::b::B>; }",
        "pub struct A; fn f() { use crate::b::B; }",
        "pub struct A; fn f() { println!(\"{}\", 1 + crate::b::B::NUMBER) }",
        "pub struct A; mod inner { use super::super::b::B; }",
        "pub struct A; use crate::*; fn f(_: b::B) {}",
        "#[error(\"{}\", crate::b::B)] pub struct A;",
    ] {
        let found = found_in(&[lib, ("a.rs", a), b])?;
        if !found.contains("  a.rs imports from b.rs: B")
            && !found.contains("a.rs imports from b.rs: b")
        {
            return Err(format!("{a}: {found:?}").into());
        }
        if !found.contains("  b.rs imports from a.rs: A\n") {
            return Err(format!("{a}: {found:?}").into());
        }
    }
    // A child imports from its parent a name that the parent needs for what it imports from the
    // child.
    let found = found_in(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod child; pub struct A; pub use child::make;"),
        ("a/child.rs", "use super::A; pub fn make() -> A { A }"),
    ])?;
    if found
        != "a cycle of 2 in src:\n  a.rs imports from a/child.rs: \
            make\n  a/child.rs imports from a.rs: A\n"
    {
        return Err(found.into());
    }
    // Folders may form a cycle where no files do.
    let imports = imports_in(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub mod high; pub mod low;"),
        ("a/high.rs", "use crate::b::B;"),
        ("a/low.rs", "pub struct Low;"),
        ("b.rs", "use crate::a::low::Low; pub struct B(Low);"),
    ])?;
    let rooms = circles(&grouped(&imports, room));
    let expected = "a cycle of 2 in src:\n  a imports from b: B\n  b imports from a: Low\n";
    if !circles(&imports).is_empty() || rooms != expected {
        return Err(rooms.into());
    }
    // Across three files, and through a re-exported name.
    let found = found_in(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        (
            "a.rs",
            "pub mod far { pub use crate::b::B; } pub struct A(crate::c::C);",
        ),
        ("b.rs", "pub struct B(crate::a::A);"),
        ("c.rs", "pub struct C(crate::a::far::B);"),
    ])?;
    if !found.contains("a cycle of 3 in src:") || !found.contains("c.rs imports from b.rs: B") {
        return Err(found.into());
    }
    Ok(())
}

fn others_are_not() -> Result<(), Failed> {
    // Imports only in tests, names only mentioned, and a crate of the same name.
    let only_named = r#"
        pub struct A;
        /// [`crate::b::B`]
        fn f(_: ::b::B) -> &'static str { "crate::b::B" }
        pub(in crate::b) fn g() {}
        #[cfg(test)]
        mod tests { use crate::b::B; }
    "#;
    let named = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", only_named),
        ("b.rs", "pub struct B(super::a::A);"),
    ];
    // A facade through which its children import from each other.
    let facade = [
        ("lib.rs", "mod a; pub use a::*;"),
        ("a.rs", "mod b; mod c; pub use b::B; pub use c::A;"),
        ("a/b.rs", "pub struct B;"),
        ("a/c.rs", "use super::B; pub struct A(B);"),
    ];
    for files in [&named[..], &facade] {
        let found = found_in(files)?;
        if !found.is_empty() {
            return Err(format!("{files:?}: {found}").into());
        }
    }
    Ok(())
}

fn names_lead_somewhere() -> Result<(), Failed> {
    let lost = found_in(&[("lib.rs", "mod a;"), ("a.rs", "use crate::b::B;")]);
    match lost {
        Err(error) if error == "a.rs: crate::b::B leads nowhere" => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}
