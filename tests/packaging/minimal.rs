//! A root folder with a package database of its own, and in it only what maintainer scripts call.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::database::program;
use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::output;

/// What the scripts of the packages call, and what dpkg calls for them.
const PROGRAMS: [&str; 8] = [
    "sh",
    "rm",
    "mv",
    "readlink",
    "dpkg",
    "dpkg-divert",
    "dpkg-query",
    "dpkg-trigger",
];

/// The root. Nothing outside of it is changed.
pub struct Root {
    folder: TempDir,
}

/// Why there can be no such root on this machine.
pub fn missing() -> Option<String> {
    let mut programs = PROGRAMS.iter().chain(&["dpkg-deb", "ldd", "unshare"]);
    if let Some(missing) = programs.find(|name| program(name).is_none()) {
        return Some(format!("no {missing}"));
    }
    let made = as_root("true").output();
    match made.is_ok_and(|output| output.status.success()) {
        true => None,
        false => Some("neither root nor a user namespace".to_string()),
    }
}

/// Runs a program as root, if need be in a namespace where only it believes so.
fn as_root(program: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output();
    match is_root.is_ok_and(|output| output.stdout == b"0\n") {
        true => Command::new(program),
        false => {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", program]);
            command
        }
    }
}

impl Root {
    /// An empty one, with packages of these names in the place of what a real system has.
    pub fn new(present: &[&str]) -> Result<Root, Failed> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let root = Root { folder };
        for part in ["updates", "info", "triggers", "parts"] {
            root.make(&format!("var/lib/dpkg/{part}"))?;
        }
        root.write("var/lib/dpkg/status", "")?;
        for part in ["usr/bin", "tmp", "etc"] {
            root.make(part)?;
        }
        for link in ["bin", "sbin"] {
            std::os::unix::fs::symlink("usr/bin", root.path(link)).map_err(|e| e.to_string())?;
        }
        std::os::unix::fs::symlink("bin", root.path("usr/sbin")).map_err(|e| e.to_string())?;
        for name in PROGRAMS {
            root.copy_program(&program(name).ok_or("no such program")?, name)?;
        }
        for name in present {
            let file = dummy(root.folder.path(), name, "9999", &[])?;
            root.install(&[&file])?;
        }
        Ok(root)
    }

    /// A path in it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Installs or upgrades packages.
    pub fn install(&self, files: &[&Path]) -> Result<(), Failed> {
        self.ran(self.dpkg().arg("--install").args(files).output())
    }

    /// Removes packages.
    pub fn remove(&self, names: &[&str]) -> Result<(), Failed> {
        self.ran(self.dpkg().arg("--remove").args(names).output())
    }

    /// Removes packages with their configuration files.
    pub fn purge(&self, names: &[&str]) -> Result<(), Failed> {
        self.ran(self.dpkg().arg("--purge").args(names).output())
    }

    /// The diversions of our packages.
    pub fn diversions(&self) -> Result<String, Failed> {
        let mut divert = Command::new("dpkg-divert");
        divert.arg("--admindir").arg(self.path("var/lib/dpkg"));
        output(divert.args(["--list", "*auth_jwt*"]))
    }

    fn dpkg(&self) -> Command {
        let mut dpkg = as_root("dpkg");
        dpkg.arg(format!("--root={}", self.folder.path().display()))
            .arg("--log=/dev/null")
            // In a user namespace files can't be given to others.
            .arg("--force-not-root")
            .env("DEBIAN_FRONTEND", "noninteractive");
        dpkg
    }

    fn ran(&self, output: std::io::Result<Output>) -> Result<(), Failed> {
        let output = output.map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "dpkg: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
            .into()),
        }
    }

    fn make(&self, folder: &str) -> Result<(), Failed> {
        std::fs::create_dir_all(self.path(folder)).map_err(|e| format!("{folder}: {e}").into())
    }

    /// Writes a file.
    pub fn write(&self, file: &str, text: &str) -> Result<(), Failed> {
        let path = self.path(file);
        let folder = path.parent().expect("in the root");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| format!("{file}: {e}").into())
    }

    /// Copies a program with its libraries.
    fn copy_program(&self, from: &Path, name: &str) -> Result<(), Failed> {
        let copy = |from: &Path, to: &Path| -> Result<(), Failed> {
            let folder = to.parent().expect("in the root");
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::copy(from, to).map(drop))
                .map_err(|e| format!("{}: {e}", from.display()).into())
        };
        copy(from, &self.path("usr/bin").join(name))?;
        for word in output(Command::new("ldd").arg(from))?.split_whitespace() {
            let to = self.path(word);
            if word.starts_with('/') && !to.exists() {
                copy(Path::new(word), &to)?;
            }
        }
        Ok(())
    }
}

/// A package of that name and version, with these files and their contents.
pub fn dummy(
    folder: &Path,
    name: &str,
    version: &str,
    files: &[(&str, &str)],
) -> Result<PathBuf, Failed> {
    let tree = folder.join(format!("{name}-{version}"));
    let write = |path: PathBuf, text: &str| -> Result<(), Failed> {
        std::fs::create_dir_all(path.parent().expect("a folder"))
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| format!("{}: {e}", path.display()).into())
    };
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: {}\nMaintainer: Nobody <nobody@example.org>\n\
         Description: a dummy\n",
        architecture.trim()
    );
    write(tree.join("DEBIAN/control"), &control)?;
    for (path, text) in files {
        write(tree.join(path.trim_start_matches('/')), text)?;
    }
    build(&tree, &folder.join(format!("{name}_{version}.deb")))
}

/// Packs a tree.
pub fn build(tree: &Path, file: &Path) -> Result<PathBuf, Failed> {
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zgzip", "-z1", "--build"]);
    output(pack.arg(tree).arg(file))?;
    Ok(file.to_path_buf())
}
