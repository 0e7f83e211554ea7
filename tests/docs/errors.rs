//! Sections `# Errors` have one form: they begin with `Fails`, on the next line.

use libtest_mimic::{Failed, Trial};

use super::order;

/// The trials.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("sections of errors have one form", every_file_keeps_it),
        Trial::test("other sections of errors are found", others_are_found),
    ]
}

fn every_file_keeps_it() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for file in order::sources()? {
        let text = std::fs::read_to_string(&file)?;
        wrong.extend(others(&text).map(|line| format!("{}:{line}", file.display())));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("not \"Fails ...\": {}", wrong.join("; ")).into()),
    }
}

/// The lines that follow the heading and do not begin like that.
fn others(text: &str) -> impl Iterator<Item = usize> {
    let lines = text.lines().zip(text.lines().skip(1)).zip(2..);
    lines.filter_map(|((heading, next), number)| {
        let is_heading = heading.trim_start() == "/// # Errors";
        (is_heading && !next.trim_start().starts_with("/// Fails ")).then_some(number)
    })
}

fn others_are_found() -> Result<(), Failed> {
    let text = "/// # Errors\n/// Fails with it.\n    /// # Errors\n    /// [`It`].\n";
    match others(text).collect::<Vec<_>>().as_slice() {
        [4] => Ok(()),
        found => Err(format!("{found:?}").into()),
    }
}
