//! `make abi-check`: compares include/opensips/abi.h with a source tree of OpenSIPS.
//!
//! A separate program, which scripts/abi-check compiles with rustc alone, so that it is available
//! at once, even on a machine where nothing has been built yet.

mod measure;
mod numbers;
mod table;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use measure::{Compiler, Side, measure};
use numbers::{Numbers, declared_otherwise, kept_file, kept_otherwise};
use table::Table;
use tree::Tree;

const USAGE: &str = "usage: scripts/abi-check [--keep] TREE
  TREE    the source of an OpenSIPS, built or not
  --keep  write its numbers to tests/abi/, where the tests compare with them";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap_or_default());
    let (options, trees): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| argument.starts_with('-'));
    let keep = match options.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--keep"] => true,
        ["-h" | "--help"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => return fail(USAGE),
    };
    let tree = match &trees[..] {
        [] => "",
        [tree] => tree,
        _ => return fail(USAGE),
    };
    match check(&root, tree, keep) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("abi-check: {why}");
    ExitCode::FAILURE
}

fn check(root: &Path, folder: &str, keep: bool) -> Result<String, String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
    };
    let tree = Tree::read(folder)?;
    let table = Table::parse(&read(&root.join("tests/abi/names.txt"))?)?;
    let entries = table.of(tree.release);
    let about = format!("OpenSIPS {} in {folder}", tree.version);

    let theirs = measure(&tree.compiler(&table), &entries, Side::Theirs).map_err(|e| {
        format!("{about}: it lacks what abi.h declares, or cannot be compiled:\n{e}")
    })?;
    let ours = measure(&ours(root), &entries, Side::Ours)
        .map_err(|e| format!("include/opensips/abi.h:\n{e}"))?;
    let different = declared_otherwise(&entries, &ours, &theirs);
    if !different.is_empty() {
        return Err(format!(
            "{about} is not as include/opensips/abi.h declares it:\n  {}",
            different.join("\n  ")
        ));
    }

    let file = kept_file(root, tree.release);
    let name = format!("tests/abi/{}.txt", tree.release);
    let kept = if keep {
        std::fs::write(&file, theirs.print()).map_err(|e| format!("{}: {e}", file.display()))?;
        format!("They are kept in {name} now.")
    } else if file.is_file() {
        let kept = Numbers::parse(&read(&file)?).map_err(|e| format!("{name}: {e}"))?;
        let different = kept_otherwise(&entries, &kept, &theirs);
        if !different.is_empty() {
            return Err(format!(
                "{about} is as abi.h declares it, but not as {name} says:\n  {}",
                different.join("\n  ")
            ));
        }
        format!("So does {name}.")
    } else {
        format!(
            "No numbers of OpenSIPS {0} are kept, and the module does not load into it: \
             `scripts/abi-check --keep {folder}` keeps them, and src/shim/exports.c lists the \
             releases.",
            tree.release
        )
    };
    Ok(format!(
        "{about} and include/opensips/abi.h say the same of all {} layouts, constants and symbols. \
         {kept}",
        entries.len()
    ))
}

/// How our own header is compiled.
fn ours(root: &Path) -> Compiler {
    Compiler {
        program: std::env::var("CC").unwrap_or_else(|_| "cc".to_string()),
        include: root.join("include"),
        headers: vec!["opensips/abi.h".to_string()],
        flags: String::new(),
    }
}
