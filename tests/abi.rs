//! Checks include/opensips/abi.h, without any OpenSIPS, against the numbers of every release into
//! which the module loads (tests/abi/*.txt); and tests `make abi-check`, which finds such numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use abi::header;
use abi::measure::{Compiler, Side, measure};
use abi::numbers::{Numbers, declared_otherwise, kept_file, kept_otherwise, strangers};
use abi::table::{self, Release, Size, Table, What};
use abi::tree::Tree;

const RELEASES: [Release; 4] = [Release(3, 4), Release(3, 5), Release(3, 6), Release(4, 0)];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn table() -> Table {
    Table::parse(&read("tests/abi/names.txt")).expect("names.txt")
}

fn kept(release: Release) -> Numbers {
    let text = read(kept_file(&root(), release));
    let numbers = Numbers::parse(&text).expect("kept numbers");
    assert_eq!(numbers.print(), text, "{release}.txt is not sorted");
    numbers
}

/// What the header in that folder declares for a release.
fn declared_in(include: &Path, release: Release) -> Numbers {
    let compiler = Compiler {
        program: std::env::var("CC").unwrap_or_else(|_| "cc".into()),
        include: include.to_path_buf(),
        headers: vec!["opensips/abi.h".into()],
        flags: String::new(),
    };
    measure(&compiler, &table().of(release), Side::Ours).expect("abi.h compiles")
}

fn declared(release: Release) -> Numbers {
    declared_in(&root().join("include"), release)
}

/// Where the header, with one change, differs from any release.
fn differences_after(from: &str, to: &str) -> Vec<String> {
    let text = read("include/opensips/abi.h");
    assert_eq!(text.matches(from).count(), 1, "{from:?} once in abi.h");
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("opensips")).expect("a folder");
    fs::write(folder.path().join("opensips/abi.h"), text.replace(from, to)).expect("abi.h");
    RELEASES
        .into_iter()
        .flat_map(|release| {
            let ours = declared_in(folder.path(), release);
            declared_otherwise(&table().of(release), &ours, &kept(release))
        })
        .collect()
}

#[test]
fn every_release_is_as_the_header_declares_it() {
    for release in RELEASES {
        let (table, kept) = (table(), kept(release));
        let entries = table.of(release);
        let different = declared_otherwise(&entries, &declared(release), &kept);
        assert!(different.is_empty(), "{release}: {different:#?}");
        let strange = strangers(&entries, &kept);
        assert!(strange.is_empty(), "{release}: {strange:#?}");
    }
}

#[test]
fn any_other_number_is_noticed() {
    for release in RELEASES {
        let (table, ours) = (table(), declared(release));
        for entry in table.of(release) {
            let key = entry.key();
            for place in 0..kept(release).0[&key].len() {
                for by in [-4096, -1, 1, 4096] {
                    let mut changed = kept(release);
                    changed.0.get_mut(&key).expect("kept")[place] += by;
                    let noticed = declared_otherwise(&[entry], &ours, &changed).len();
                    let allowed = match entry.what {
                        // A whole type has no offset; only its size matters.
                        What::Type(Size::AtLeast) => place == 0 || by < 4096,
                        What::Type(Size::AtMost) => place == 0 || by > -4096,
                        _ => false,
                    };
                    assert!(
                        noticed == 1 || (noticed == 0 && allowed),
                        "{release}: {key}, number {place} changed by {by}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_missing_number_is_noticed() {
    for release in RELEASES {
        let (table, ours) = (table(), declared(release));
        for entry in table.of(release) {
            let mut changed = kept(release);
            changed.0.remove(&entry.key());
            assert_eq!(declared_otherwise(&[entry], &ours, &changed).len(), 1);
        }
        let all = table.of(release);
        assert!(kept_otherwise(&all, &kept(release), &kept(release)).is_empty());
        assert_eq!(
            kept_otherwise(&all, &Numbers::default(), &kept(release)).len(),
            all.len()
        );
        assert_eq!(strangers(&all[1..], &kept(release)).len(), 1);
    }
}

#[test]
fn a_changed_header_is_noticed() {
    for (from, to, about) in [
        ("\tchar *s;\n\tint len;", "\tint len;\n\tchar *s;", "str.s "),
        ("\tchar room[88];", "\tchar room[80];", "pv_spec_t "),
        ("\tvoid *rest[10];", "\tvoid *rest[9];", "db_func_t "),
        ("\tvoid *rest[15];", "\tvoid *rest[14];", "cachedb_funcs "),
        (
            "char *aliases[4];",
            "char *aliases[3];",
            "mi_export_t.aliases ",
        ),
        ("\tint nul;\n", "\tshort nul;\n", "db_val_t.nul "),
        (
            "\tOSIPS_DB_DOUBLE,\n\tOSIPS_DB_STRING,",
            "\tOSIPS_DB_STRING,\n\tOSIPS_DB_DOUBLE,",
            "DB_STRING ",
        ),
        (
            "\tOSIPS_ASYNC_DONE = -1",
            "\tOSIPS_ASYNC_DONE = -2",
            "ASYNC_DONE ",
        ),
        (
            "\tchar *resume_f_name;\n\tvoid *resume_param;",
            "\tvoid *resume_param;\n\tchar *resume_f_name;",
            "async_ctx.resume_param ",
        ),
        (
            "extern int log_facility;",
            "extern long log_facility;",
            "log_facility ",
        ),
    ] {
        let found = differences_after(from, to);
        assert!(
            found.iter().any(|line| line.starts_with(about)),
            "{about}: {found:#?}"
        );
    }
}

#[test]
fn everything_that_the_header_declares_is_in_the_table() {
    let names = names_in(&table());
    for declared in header::declared(&read("include/opensips/abi.h")).expect("abi.h") {
        assert!(names.contains(&declared), "names.txt lacks {declared}");
    }
}

/// Our side of the table; a member with an index is listed without it.
fn names_in(table: &Table) -> Vec<String> {
    let measured = table.entries.iter().map(|entry| entry.ours.to_string());
    measured
        .chain(table.unmeasured.iter().cloned())
        .map(|name| name.split('[').next().unwrap_or_default().to_string())
        .collect()
}

#[test]
fn the_header_is_read_to_its_last_name() {
    let names = header::declared(
        "#define GUARD\n#define COUNT 4 /* ; */\n\
         enum { A = 1 << 2, B };\nenum kind {\n C,\n D = (1, 2), };\nstruct away;\n\
         typedef int (*callback)(struct away *, void (*)(int), char *);\n\
         typedef struct one { char *s, len[COUNT]; } one_too;\n",
    );
    assert!(names.is_err(), "two names in a line: {names:?}");
    let names = header::declared(
        "#define GUARD\n#define COUNT 4 /* ; */\n\
         enum { A = 1 << 2, B };\nenum kind {\n C,\n D = 3, };\nstruct away;\n\
         typedef int (*callback)(struct away *, void (*)(int), char *);\n\
         struct one {\n struct { union { int x; } deep; } inner;\n\
         struct away *far[COUNT];\n int (*call)(int a, void (*b)(void));\n};\n\
         extern char *text __attribute__((weak));\nextern int f(int (*)(void));\n",
    );
    let expected = [
        "COUNT",
        "A",
        "B",
        "kind",
        "C",
        "D",
        "one",
        "one.inner",
        "one.inner.deep",
        "one.inner.deep.x",
        "one.far",
        "one.call",
        "text",
        "f",
    ];
    assert_eq!(names.expect("readable"), expected);
}

#[test]
fn the_module_loads_into_the_releases_whose_numbers_are_kept() {
    let mut files: Vec<Release> = fs::read_dir(root().join("tests/abi"))
        .expect("tests/abi")
        .filter_map(|entry| {
            let name = entry.expect("an entry").file_name().into_string().ok()?;
            Release::parse(name.strip_suffix(".txt")?)
        })
        .collect();
    files.sort();
    assert_eq!(files, RELEASES);
    let source = read("src/shim/exports.c");
    let list = source
        .split_once("known_releases[] = {")
        .and_then(|(_, rest)| rest.split_once('}'))
        .expect("the list of known releases")
        .0;
    let known: Vec<String> = list.split(',').map(|n| n.trim().to_string()).collect();
    let numbers = RELEASES.map(|Release(major, minor)| (major * 100 + minor).to_string());
    assert_eq!(known, numbers);
}

#[test]
fn a_folder_that_is_no_source_tree_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("opensips-3.6.8.tar.gz"), "").expect("a file");
    fs::create_dir(path("outer")).expect("a folder");
    fs::create_dir(path("outer/opensips-3.6.8")).expect("a folder");
    fs::write(path("outer/opensips-3.6.8/sr_module.h"), "").expect("a file");
    for (source, complaint) in [
        (String::new(), "OPENSIPS_SRC is not set"),
        (path("nowhere"), "there is no such folder"),
        (path("opensips-3.6.8.tar.gz"), "has to be unpacked first"),
        (path("outer"), "did you mean"),
        (
            path("outer/opensips-3.6.8"),
            "there is no Makefile.defs in it",
        ),
    ] {
        let refused = Tree::read(&source).expect_err("refused");
        assert!(refused.contains(complaint), "{source}: {refused}");
        assert!(refused.contains("OPENSIPS_SRC"), "{source}: {refused}");
    }
}

/// A folder that looks to abi-check like the sources of a release: it holds our own header, with
/// OpenSIPS's names in place of ours.
fn imitation(folder: &Path, Release(major, minor): Release, change: (&str, &str)) {
    let table = table();
    let mut renamed = String::new();
    for entry in table.of(Release(major, minor)) {
        let (theirs, ours) = match (&entry.theirs.member, &entry.ours.member) {
            (Some(theirs), Some(ours)) => (theirs.as_str(), ours.as_str()),
            // A tag stands for a tag, a typedef for whatever C calls our type.
            _ if entry.theirs.c.contains(' ') => {
                (table::bare(&entry.theirs.c), table::bare(&entry.ours.c))
            }
            _ => (entry.theirs.c.as_str(), entry.ours.c.as_str()),
        };
        if theirs != ours {
            renamed.push_str(&format!("#define {theirs} {ours}\n"));
        }
    }
    let header = read("include/opensips/abi.h").replace(change.0, change.1);
    for name in &table.headers {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "").expect("a header");
    }
    fs::write(folder.join("sr_module.h"), "#include \"imitation.h\"\n").expect("a header");
    fs::write(
        folder.join("imitation.h"),
        format!("#if !defined(OPTION) || !defined(MODULE)\n#error\n#endif\n{header}\n{renamed}"),
    )
    .expect("a header");
    fs::write(
        folder.join("Makefile.conf.template"),
        "DEFS += -DOPTION='\"a b\"'\n",
    )
    .expect("a makefile");
    fs::write(
        folder.join("Makefile.defs"),
        format!(
            "VERSION_MAJOR = {major}\nVERSION_MINOR = {minor}\nRELEASE = {major}.{minor}.99\n\
             MOD_CFLAGS = -DMODULE\n"
        ),
    )
    .expect("a makefile");
}

fn abi_check(arguments: &[&str]) -> Output {
    Command::new(root().join("scripts/abi-check"))
        .args(arguments)
        .output()
        .expect("scripts/abi-check runs")
}

#[test]
fn abi_check_compares_a_source_tree() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().to_str().expect("a path");
    let files = |folder: &Path| fs::read_dir(folder).expect("a folder").count();

    imitation(folder.path(), Release(3, 5), ("", ""));
    let before = files(folder.path());
    let output = abi_check(&[tree]);
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    assert!(said.contains("OpenSIPS 3.5.99"), "{said}");
    assert_eq!(files(folder.path()), before, "nothing is written into it");

    imitation(
        folder.path(),
        Release(4, 0),
        ("\tint n;\n\tint res_rows;", "\tint res_rows;\n\tint n;"),
    );
    let output = abi_check(&[tree]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        said.contains("db_res_t.n is at offset 36, 4 bytes there")
            && said.contains("osips_db_res.n in abi.h is at offset 32, 4 bytes")
            && said.contains("db_res_t.res_rows"),
        "{said}"
    );

    imitation(
        folder.path(),
        Release(3, 4),
        ("\tint n;\n\tint res_rows;", "\tint n;"),
    );
    let output = abi_check(&[tree]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("res_rows"), "{said}");

    let output = abi_check(&[""]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("make abi-check OPENSIPS_SRC="));
}
