//! The manual and what the module exports: nothing is missing, and nothing is superfluous.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::{Failed, Trial};

use super::block::{self, Section};
use super::exports::{self, Arity};

/// The manual.
pub const MANUAL: &str = "docs/auth_web.md";

/// The sections of a chapter, by name.
type Chapter = BTreeMap<String, Section>;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("manual: parameters", parameters),
        Trial::test("manual: functions", || {
            functions("Exported Functions", &exports::functions())
        }),
        Trial::test("manual: asynchronous functions", || {
            let exported = exports::async_functions();
            functions("Exported Asynchronous Functions", &exported)
        }),
        Trial::test("manual: statistics", || {
            same(&chapter("Exported Statistics")?, exports::statistics())
        }),
        Trial::test("manual: commands of the management interface", || {
            same(&chapter("Exported MI Functions")?, exports::mi_commands())
        }),
        Trial::test(
            "documents: no parameter that is not there",
            no_unknown_parameter,
        ),
    ]
}

/// The sections of a chapter of the manual, by the part of their titles before the first blank or
/// bracket.
pub fn chapter(title: &str) -> Result<Chapter, Failed> {
    let sections = block::sections(&block::read(MANUAL));
    let mut found = Chapter::new();
    let inside = sections
        .into_iter()
        .skip_while(|s| s.title != title)
        .skip(1)
        .take_while(|s| s.level > 3);
    for section in inside {
        let name = section.title.split([' ', '(']).next().unwrap_or_default();
        if found.insert(name.to_string(), section.clone()).is_some() {
            return Err(format!("{title} has two sections on {name}").into());
        }
    }
    match found.is_empty() {
        true => Err(format!("{MANUAL} has no chapter {title}, or nothing in it").into()),
        false => Ok(found),
    }
}

fn same(chapter: &Chapter, exported: impl IntoIterator<Item = String>) -> Result<(), Failed> {
    let described: BTreeSet<_> = chapter.keys().cloned().collect();
    let exported: BTreeSet<_> = exported.into_iter().collect();
    let missing: Vec<_> = exported.difference(&described).collect();
    let invented: Vec<_> = described.difference(&exported).collect();
    match missing.is_empty() && invented.is_empty() {
        true => Ok(()),
        false => Err(format!("not described: {missing:?}; not exported: {invented:?}").into()),
    }
}

fn parameters() -> Result<(), Failed> {
    let chapter = chapter("Exported Parameters")?;
    same(&chapter, exports::parameters())?;
    for (name, section) in &chapter {
        let kinds = ["(string)", "(integer)"];
        if !kinds.iter().any(|kind| section.title.ends_with(kind)) {
            return Err(format!("{name} has no type").into());
        }
        if section.field("Default").is_none() {
            return Err(format!("{name} has no default").into());
        }
        if section.title.ends_with("(integer)") && section.field("Range").is_none() {
            return Err(format!("{name} is a number without a range").into());
        }
        let set = format!("modparam(\"auth_web\", \"{name}\", ");
        if !section.blocks.iter().any(|b| b.text.contains(&set)) {
            return Err(format!("{name} has no example").into());
        }
    }
    Ok(())
}

fn functions(title: &str, exported: &BTreeMap<String, Arity>) -> Result<(), Failed> {
    let chapter = chapter(title)?;
    same(&chapter, exported.keys().cloned())?;
    for (name, section) in &chapter {
        let described = arity(&section.title);
        if described != exported[name] {
            let complaint = format!(
                "{}: described as {described:?}, exported as {:?}",
                section.title, exported[name]
            );
            return Err(complaint.into());
        }
        let call = format!("{name}(");
        let called = |b: &block::Block| b.language == "opensips" && b.text.contains(&call);
        if !section.blocks.iter().any(called) {
            return Err(format!("{name} has no example").into());
        }
        let explained = section.text.contains("| code | meaning |")
            || section.text.contains("he same")
            || title.contains("Asynchronous");
        if !explained {
            return Err(format!("{name} has no table of return codes").into());
        }
    }
    Ok(())
}

/// Of `name(a, b [, c [, d]])`.
fn arity(title: &str) -> Arity {
    let inside = title
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'))
        .map_or("", |(inside, _)| inside);
    let count = |text: &str| text.split(',').filter(|p| !p.trim().is_empty()).count();
    let optional = inside
        .split_once('[')
        .map_or("", |(_, optional)| optional)
        .replace(['[', ']'], "");
    Arity {
        all: count(&inside.replace(['[', ']'], "")),
        optional: count(&optional),
    }
}

fn no_unknown_parameter() -> Result<(), Failed> {
    let known = exports::parameters();
    let mut paths = block::documents();
    paths.extend(block::files("opensips-cfg", "cfg"));
    paths.extend(block::files("opensips-cfg", "inc"));
    for path in paths {
        let text = block::read(&path);
        for module in ["auth_web", "auth_jwt"] {
            let mark = format!("modparam(\"{module}\", \"");
            for rest in text.split(&mark).skip(1) {
                let name = rest.split('"').next().unwrap_or_default();
                if !known.iter().any(|k| k == name) {
                    return Err(format!("{path} sets {name}, which is no parameter").into());
                }
            }
        }
    }
    Ok(())
}
