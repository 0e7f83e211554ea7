//! What the module requires of the system on which it is loaded.

use std::path::PathBuf;
use std::process::Command;

/// The glibc of Debian 11, Ubuntu 20.04 and the official OpenSIPS image.
const OLDEST_GLIBC: (u32, u32) = (2, 31);

/// The module under test: `AUTH_WEB_SO`, else what `make` leaves in build/.
fn module() -> PathBuf {
    match std::env::var_os("AUTH_WEB_SO") {
        Some(path) => path.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("build/auth_web.so"),
    }
}

fn dump(option: &str) -> String {
    let module = module();
    assert!(module.is_file(), "no {}: run make", module.display());
    let output = Command::new("objdump").arg(option).arg(&module).output();
    let output = output.expect("objdump, which comes with the linker");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `GLIBC_2.17` and what follows it on a line: the version and the symbol.
fn glibc(line: &str) -> Option<((u32, u32), &str)> {
    let (_, rest) = line.split_once("GLIBC_")?;
    let (version, symbol) = rest.split_once(|c: char| c == ')' || c.is_whitespace())?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some(((parts.next()??, parts.next()??), symbol.trim()))
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn it_asks_for_no_newer_glibc_than_the_oldest_it_is_for() {
    let table = dump("-T");
    let symbols: Vec<((u32, u32), &str)> = table.lines().filter_map(glibc).collect();
    assert!(symbols.len() > 50, "objdump was not understood: {table}");
    let newer: Vec<_> = symbols
        .iter()
        .filter(|(version, _)| *version > OLDEST_GLIBC)
        .collect();
    assert!(
        newer.is_empty(),
        "build.rs has to bind these to the library that they were in: {newer:?}"
    );
}

#[test]
fn it_needs_no_library_that_is_not_on_every_system() {
    const EVERYWHERE: [&str; 7] = [
        "libc.so.6",
        "libdl.so.2",
        "libgcc_s.so.1",
        "libm.so.6",
        "libpthread.so.0",
        "librt.so.1",
        "ld-linux",
    ];
    let table = dump("-p");
    let needed: Vec<&str> = table
        .lines()
        .filter_map(|line| line.trim().strip_prefix("NEEDED"))
        .map(str::trim)
        .collect();
    assert!(needed.contains(&"libc.so.6"), "{table}");
    for library in needed {
        assert!(
            EVERYWHERE.iter().any(|name| library.starts_with(name)),
            "{library}"
        );
    }
}
