//! The page on architecture: its diagram has every folder of src and no others, and each depends
//! only on the levels below it; the files that the page names exist.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::{Failed, Trial};

use super::block;
use super::imports;

const PAGE: &str = "docs/architecture.md";

/// The folder of the C code, which imports no Rust.
const SHIM: &str = "shim";

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("architecture: the picture has all folders of src", rooms),
        Trial::test(
            "architecture: no folder imports from its own level or above",
            downwards,
        ),
        Trial::test("architecture: files are there", files),
        Trial::test("architecture: a wrong picture is found", wrong),
    ]
}

/// The folders of each level, from the top.
type Floors = Vec<Vec<String>>;

/// What is in brackets in each line of the diagram.
fn floors(picture: &str) -> Floors {
    let of = |line: &str| -> Vec<String> {
        let rooms = line.split('[').skip(1);
        rooms
            .filter_map(|rest| Some(rest.split_once(']')?.0.to_string()))
            .collect()
    };
    picture
        .lines()
        .map(of)
        .filter(|rooms| !rooms.is_empty())
        .collect()
}

fn picture() -> Result<Floors, Failed> {
    let pictures = block::blocks(&block::read(PAGE), "text");
    match pictures.as_slice() {
        [(_, one)] => Ok(floors(&one.text)),
        other => Err(format!("{PAGE} has {} pictures", other.len()).into()),
    }
}

/// The folder of a file of src, or the file beside the folder that is its root.
fn room(file: &str) -> &str {
    let name = file.split('/').next().unwrap_or(file);
    name.strip_suffix(".rs").unwrap_or(name)
}

fn rooms() -> Result<(), Failed> {
    let drawn: Vec<String> = picture()?.concat();
    let drawn_once: BTreeSet<&str> = drawn.iter().map(String::as_str).collect();
    let entries = std::fs::read_dir(harness::root().join("src")).map_err(|e| e.to_string())?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let there: BTreeSet<&str> = names.iter().map(|name| room(name)).collect();
    if drawn.len() != drawn_once.len() {
        return Err(format!("drawn twice: {drawn:?}").into());
    }
    match drawn_once == there {
        true => Ok(()),
        false => Err(format!(
            "not drawn: {:?}; not there: {:?}",
            there.difference(&drawn_once).collect::<Vec<_>>(),
            drawn_once.difference(&there).collect::<Vec<_>>()
        )
        .into()),
    }
}

/// Dependencies that go up, or across: which file uses which.
fn upwards<'a>(
    floors: &Floors,
    imports: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeSet<String> {
    let mut floor_of = BTreeMap::new();
    for (floor, rooms) in floors.iter().enumerate() {
        floor_of.extend(rooms.iter().map(|room| (room.as_str(), floor)));
    }
    let floor = |file| floor_of.get(room(file)).copied();
    imports
        .filter(|(from, to)| room(from) != room(to))
        .filter(|(from, to)| match (floor(from), floor(to)) {
            (Some(from), Some(to)) => from >= to,
            _ => true,
        })
        .map(|(from, to)| format!("{from} imports from {to}"))
        .collect()
}

fn downwards() -> Result<(), Failed> {
    let folder = harness::root().join("src");
    let imports = imports::read(&|file| std::fs::read_to_string(folder.join(file)).ok())?;
    let pairs = || {
        imports
            .keys()
            .map(|(from, to)| (from.as_str(), to.as_str()))
    };
    let seen: BTreeSet<&str> = pairs().flat_map(|(from, to)| [from, to]).collect();
    let seen: BTreeSet<&str> = seen.into_iter().map(room).collect();
    let floors = picture()?;
    let unseen: Vec<_> = floors.iter().flatten().filter(|r| *r != SHIM).collect();
    if let Some(alone) = unseen.iter().find(|room| !seen.contains(room.as_str())) {
        return Err(format!("{alone} imports nothing and is not imported: why?").into());
    }
    let wrong = upwards(&floors, pairs());
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.into_iter().collect::<Vec<_>>().join("\n").into()),
    }
}

fn files() -> Result<(), Failed> {
    let mut looked_at = 0;
    for page in [PAGE, "CONTRIBUTING.md"] {
        let text = block::read(page);
        // Between backquotes, outside of fenced blocks.
        let spans = block::sections(&text)
            .into_iter()
            .map(|section| section.text)
            .collect::<String>();
        for path in spans.split('`').skip(1).step_by(2) {
            let of_ours = [
                "src/",
                "tests/",
                "include/",
                "opensips-cfg/",
                "scripts/",
                "fuzz/",
            ];
            let is_path = of_ours.iter().any(|folder| path.starts_with(folder))
                && !path.contains([' ', '*'])
                && path != "fuzz/artifacts";
            if is_path {
                looked_at += 1;
                if !harness::root().join(path).exists() {
                    return Err(format!("{page}: there is no {path}").into());
                }
            }
        }
    }
    match looked_at {
        0..20 => Err(format!("only {looked_at} paths were found").into()),
        _ => Ok(()),
    }
}

fn wrong() -> Result<(), Failed> {
    let floors = floors(" core\n [a]  words\n ---\n [b] [c] words\n [d]\n");
    if floors != [vec!["a"], vec!["b", "c"], vec!["d"]] {
        return Err(format!("{floors:?}").into());
    }
    let down = [("a.rs", "b/x.rs"), ("b/x.rs", "d.rs"), ("b.rs", "b/x.rs")];
    let up = [
        ("b.rs", "a.rs"),
        ("d/x/y.rs", "b.rs"),
        ("b.rs", "c/x.rs"),
        ("e.rs", "d.rs"),
        ("a.rs", "e.rs"),
    ];
    if !upwards(&floors, down.into_iter()).is_empty() {
        return Err("downward imports were reported".into());
    }
    for pair in up {
        if upwards(&floors, [pair].into_iter()).len() != 1 {
            return Err(format!("{pair:?} passes").into());
        }
    }
    Ok(())
}
