//! Measuring a header: a C program that prints sizes, offsets and values.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::numbers::Numbers;
use super::table::{Entry, Name, What};

/// How a header is compiled.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The program.
    pub program: String,
    /// Where headers are searched for.
    pub include: PathBuf,
    /// Headers, in order.
    pub headers: Vec<String>,
    /// Further arguments, quoted as for a shell.
    pub flags: String,
}

/// Which of the two names of an entry is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// include/opensips/abi.h.
    Ours,
    /// OpenSIPS.
    Theirs,
}

/// Compiles and runs the program; compiler errors refer to lines of names.txt.
pub fn measure(compiler: &Compiler, entries: &[&Entry], side: Side) -> Result<Numbers, String> {
    let folder = Folder::new()?;
    let (source, arguments, program) = (
        folder.0.join("measure.c"),
        folder.0.join("flags"),
        folder.0.join("measure"),
    );
    write(&source, &text(compiler, entries, side))?;
    write(&arguments, &compiler.flags)?;
    let mut words = compiler.program.split_whitespace();
    let output = Command::new(words.next().unwrap_or("cc"))
        .args(words)
        .arg(format!("@{}", arguments.display()))
        .args(["-w", "-std=gnu11", "-I"])
        .arg(&compiler.include)
        .arg("-o")
        .arg(&program)
        .arg(&source)
        // Headers that contain functions refer to the core.
        .arg("-Wl,--unresolved-symbols=ignore-all")
        .output()
        .map_err(|e| format!("{}: {e}", compiler.program))?;
    if !output.status.success() {
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        let errors: Vec<&str> = complaints
            .lines()
            .filter(|line| line.contains("error"))
            .take(20)
            .collect();
        return Err(if errors.is_empty() {
            complaints
        } else {
            errors.join("\n")
        });
    }
    let output = Command::new(&program)
        .output()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    Numbers::parse(&String::from_utf8_lossy(&output.stdout))
}

fn text(compiler: &Compiler, entries: &[&Entry], side: Side) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "#include <stddef.h>\n#include <stdio.h>");
    for header in &compiler.headers {
        let _ = writeln!(out, "#include \"{header}\"");
    }
    let _ = writeln!(out, "int main(void)\n{{");
    for entry in entries {
        let Name { c, member } = match side {
            Side::Ours => &entry.ours,
            Side::Theirs => &entry.theirs,
        };
        let key = entry.key();
        let _ = writeln!(out, "#line {} \"tests/abi/names.txt\"", entry.line);
        let _ = match (&entry.what, member) {
            (What::Member, Some(member)) => writeln!(
                out,
                "printf(\"{key} %zu %zu\\n\", offsetof({c}, {member}), sizeof ((({c} *)0)->{member}));"
            ),
            (What::Constant, _) => {
                writeln!(out, "printf(\"{key} %lld\\n\", (long long)({c}));")
            }
            (What::Symbol, _) => writeln!(out, "printf(\"{key} %zu\\n\", sizeof ({c}));"),
            _ => writeln!(out, "printf(\"{key} 0 %zu\\n\", sizeof ({c}));"),
        };
    }
    let _ = writeln!(out, "return 0;\n}}");
    out
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = std::env::temp_dir().join(format!(
            "auth_web-abi-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::create_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
