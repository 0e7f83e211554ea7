//! The page on threats: each row names what answers the attack and which test shows it; both must
//! exist.

use libtest_mimic::{Failed, Trial};

use super::block;

const PAGE: &str = "docs/threats.md";

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("threats: every test is there", tests),
        Trial::test("threats: what is not there is found", found),
        Trial::test(
            "cachedb_local is cleaned up as often as nonces expire",
            clean_up,
        ),
    ]
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inside.split('|').map(str::trim).collect())
}

/// The cells of each row of a page's tables, except the header rows.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let is_rule = |line: &str| line.starts_with("|---");
    let lines: Vec<_> = text.lines().collect();
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|line| is_rule(line));
    let rows = lines.iter().enumerate();
    rows.filter(|(at, line)| !is_rule(line) && !is_head(*at))
        .filter_map(|(_, line)| cells(line))
        .collect()
}

/// What is between backquotes and between quotes, in order: a path, or the name of a test.
fn marked(cell: &str) -> Vec<(char, &str)> {
    let mut found = Vec::new();
    let mut rest = cell;
    while let Some((at, mark)) = rest.char_indices().find(|(_, c)| "`\"".contains(*c)) {
        let after = &rest[at + 1..];
        let Some(end) = after.find(mark) else {
            break;
        };
        found.push((mark, &after[..end]));
        rest = &after[end + 1..];
    }
    found
}

fn is_path(text: &str) -> bool {
    let extension = text.rsplit_once('.').map_or("", |(_, extension)| extension);
    text.contains('/') && ["rs", "cfg", "md"].contains(&extension)
}

/// What is wrong with the tests in a cell. `source` returns the text of a file.
fn check(cell: &str, source: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let mut file = None;
    let mut tests = 0;
    for (mark, text) in marked(cell) {
        if mark == '`' && is_path(text) {
            let content = source(text).ok_or_else(|| format!("there is no {text}"))?;
            file = Some((text, content));
            continue;
        }
        let (path, content) = file.as_ref().ok_or_else(|| format!("where is {text}?"))?;
        let is_there = match mark {
            '"' => {
                // As a string literal, or after the core's name.
                let starts = ["\"", "}: "];
                let ends = [",", ";", ")"];
                starts.iter().any(|start| {
                    let mut ends = ends.iter();
                    ends.any(|end| content.contains(&format!("{start}{text}\"{end}")))
                })
            }
            // In a module of the file, or in a file of tests.
            _ => ["    ", ""]
                .iter()
                .any(|indent| content.contains(&format!("#[test]\n{indent}fn {text}()"))),
        };
        if !is_there {
            return Err(format!("{path} has no test {text:?}"));
        }
        tests += 1;
    }
    match tests {
        0 => Err("it names no test".to_string()),
        _ => Ok(()),
    }
}

fn source(path: &str) -> Option<String> {
    std::fs::read_to_string(harness::root().join(path)).ok()
}

fn tests() -> Result<(), Failed> {
    let text = block::read(PAGE);
    let rows = rows(&text);
    if rows.len() < 20 {
        return Err(format!("{PAGE} has {} rows", rows.len()).into());
    }
    let mut wrong = Vec::new();
    for row in rows {
        let [attack, answer, tests] = row.as_slice() else {
            return Err(format!("not a row of three: {row:?}").into());
        };
        let missing = marked(answer)
            .into_iter()
            .filter(|(mark, text)| *mark == '`' && is_path(text))
            .find(|(_, text)| !harness::root().join(text).is_file());
        if let Some((_, path)) = missing {
            wrong.push(format!("{attack}: there is no {path}"));
        }
        if attack.is_empty() || answer.is_empty() {
            wrong.push(format!("{attack}: a cell is empty"));
        }
        if let Err(error) = check(tests, &source) {
            wrong.push(format!("{attack}: {error}"));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

fn found() -> Result<(), Failed> {
    let files = |path: &str| {
        let text = "(\"one\", one),\nformat!(\"{core}: two\");\n    #[test]\n    fn three() {}";
        (path == "tests/a.rs").then(|| text.to_string())
    };
    let good = "`tests/a.rs`: \"one\", \"two\", `three`";
    check(good, &files)?;
    for bad in [
        "",
        "`tests/a.rs`",
        "\"one\"",
        "`tests/b.rs`: \"one\"",
        "`tests/a.rs`: \"on\"",
        "`tests/a.rs`: \"one\", \"four\"",
        "`tests/a.rs`: \"three\"",
        "`tests/a.rs`: `one`",
        "`tests/a.rs`: `thre`",
    ] {
        if check(bad, &files).is_ok() {
            return Err(format!("{bad:?} passes").into());
        }
    }
    match rows("|a|b|\n|---|---|\n| c | d |\n\ntext | text\n").as_slice() {
        [row] if *row == ["c", "d"] => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// The numeric value of a modparam in a script.
fn number(text: &str, module: &str, name: &str) -> Option<u32> {
    let mark = format!("modparam(\"{module}\", \"{name}\", ");
    let lines = text.lines().map(str::trim_start);
    let mut values = lines.filter_map(|line| line.strip_prefix(&mark)?.split(')').next());
    values.next_back()?.trim().parse().ok()
}

/// Expired entries in `cachedb_local` remain until it cleans up: every ten minutes unless set
/// otherwise.
fn clean_up() -> Result<(), Failed> {
    let mut scripts = block::scripts();
    for path in block::documents() {
        let blocks = block::blocks(&block::read(&path), "opensips").into_iter();
        scripts.extend(blocks.map(|(title, block)| (format!("{path}, {title}"), block.text)));
    }
    scripts.retain(|(_, text)| {
        let mut lines = text.lines().map(str::trim_start);
        lines.any(|line| line.starts_with("loadmodule \"cachedb_local.so\""))
    });
    if scripts.len() < 3 {
        return Err(format!("only {} load it", scripts.len()).into());
    }
    for (place, text) in scripts {
        let nonces = number(&text, "auth_web", "nonce_expire").unwrap_or(30);
        match number(&text, "cachedb_local", "cache_clean_period") {
            Some(seconds) if (1..=nonces).contains(&seconds) => {}
            other => {
                let error = format!("{place}: {other:?}, and a nonce lives {nonces} seconds");
                return Err(error.into());
            }
        }
    }
    Ok(())
}
