//! Markdown documents, as far as the tests read them: sections and fenced blocks.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A heading with what follows it, up to the next heading of any level.
#[derive(Debug, Default, Clone)]
pub struct Section {
    /// How many `#` it has; 0 for the text before the first heading.
    pub level: usize,
    /// The text of the heading.
    pub title: String,
    /// The lines outside fenced blocks.
    pub text: String,
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// What the fence names, such as `opensips` or `sh`.
    pub language: String,
    /// The line of the document on which it begins.
    pub line: usize,
    /// Its content.
    pub text: String,
}

impl Section {
    /// What follows `**name:**` in a line of the section.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mark = format!("- **{name}:** ");
        self.text.lines().find_map(|line| line.strip_prefix(&mark))
    }
}

/// A document of the project, by its path relative to the project's folder.
pub fn read(path: &str) -> String {
    let full = harness::root().join(path);
    std::fs::read_to_string(&full).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The shipped scripts, by path. A script that takes its settings from the environment is shown
/// with their defaults, as written by the program of the same name beside it.
pub fn scripts() -> Vec<(String, String)> {
    let paths = files("opensips-cfg", "cfg").into_iter();
    paths
        .map(|path| {
            let (_, file) = path.rsplit_once('/').expect("in a folder");
            let text = harness::shipped::text(file).unwrap_or_else(|e| panic!("{e}"));
            let program = harness::root().join(&path).with_extension("sh");
            match program.is_file() {
                true => (path, with_defaults(&program, &text)),
                false => (path, text),
            }
        })
        .collect()
}

fn with_defaults(program: &Path, text: &str) -> String {
    let mut child = Command::new(program)
        .env("REGISTRAR_SECRET", "0123456789abcdef")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Hints, since the folder of its modules may not be there.
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    let mut input = child.stdin.take().expect("piped");
    let given = text.to_string();
    let writer = std::thread::spawn(move || input.write_all(given.as_bytes()));
    let output = child.wait_with_output().expect("its output");
    let written = writer.join().expect("no panic");
    assert!(
        output.status.success() && written.is_ok(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The sections of a document.
pub fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        let section = sections.last_mut().expect("there is a first");
        if let Some(language) = line.strip_prefix("```") {
            match open.take() {
                Some(block) => section.blocks.push(block),
                None => {
                    open = Some(Block {
                        language: language.trim().to_string(),
                        line: number + 1,
                        text: String::new(),
                    });
                }
            }
        } else if let Some(block) = &mut open {
            block.text.push_str(line);
            block.text.push('\n');
        } else if line.starts_with('#') {
            let title = line.trim_start_matches('#');
            sections.push(Section {
                level: line.len() - title.len(),
                title: title.trim().to_string(),
                ..Section::default()
            });
        } else {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    assert!(open.is_none(), "a fenced block without its end");
    sections
}

/// All blocks of a language, each with the title of its section.
pub fn blocks(text: &str, language: &str) -> Vec<(String, Block)> {
    let of = |section: Section| {
        let Section { title, blocks, .. } = section;
        blocks.into_iter().map(move |block| (title.clone(), block))
    };
    let mut all: Vec<_> = sections(text).into_iter().flat_map(of).collect();
    all.retain(|(_, block)| block.language == language);
    all
}

/// The documents, by their paths relative to the project's folder.
pub fn documents() -> Vec<String> {
    let at_root = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ];
    let mut paths = at_root.map(str::to_string).to_vec();
    paths.extend(files("docs", "md"));
    paths.extend(files("opensips-cfg", "md"));
    paths
}

/// The files of a folder with that extension, sorted.
pub fn files(folder: &str, extension: &str) -> Vec<String> {
    let entries = std::fs::read_dir(harness::root().join(folder));
    let mut names: Vec<_> = entries
        .unwrap_or_else(|e| panic!("{folder}: {e}"))
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == extension))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    names.sort();
    names
}
