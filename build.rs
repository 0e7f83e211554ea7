//! Compiles the C shim and binds the interface between it and the Rust code.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The symbols that glibc 2.34 moved into libc.so.6, by the library that they came from. Each is
/// still available under its old version, too.
const MOVED: [(&str, &[&str]); 3] = [
    (
        "pthread",
        &[
            "pthread_attr_getguardsize",
            "pthread_attr_getstack",
            "pthread_attr_setguardsize",
            "pthread_attr_setstacksize",
            "pthread_create",
            "pthread_detach",
            "pthread_getattr_np",
            "pthread_getspecific",
            "pthread_join",
            "pthread_key_create",
            "pthread_key_delete",
            "pthread_kill",
            "pthread_mutex_trylock",
            "pthread_mutexattr_destroy",
            "pthread_mutexattr_init",
            "pthread_mutexattr_settype",
            "pthread_once",
            "pthread_rwlock_destroy",
            "pthread_rwlock_init",
            "pthread_rwlock_rdlock",
            "pthread_rwlock_tryrdlock",
            "pthread_rwlock_trywrlock",
            "pthread_rwlock_unlock",
            "pthread_rwlock_wrlock",
            "pthread_setname_np",
            "pthread_setspecific",
            "pthread_sigmask",
        ],
    ),
    ("dl", &["dladdr", "dlclose", "dlerror", "dlopen", "dlsym"]),
    ("rt", &["shm_open", "shm_unlink"]),
];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    compile_shim();
    bind_interface(&out);
    link_for_older_glibc(&out);

    // Only the module itself contains the shim: nothing in Rust refers to its constructor and its
    // tables, hence the whole archive.
    println!("cargo:rustc-cdylib-link-arg=-Wl,--whole-archive");
    println!("cargo:rustc-cdylib-link-arg={}/libshim.a", out.display());
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-whole-archive");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,relro,-z,now");
    // Tests and benchmarks of the lower layers link the library without OpenSIPS.
    println!("cargo:rustc-link-arg=-Wl,--unresolved-symbols=ignore-all");
}

fn compile_shim() {
    let mut build = cc::Build::new();
    build
        .include("include")
        .include("src/shim")
        .std("gnu11") // ctime_r
        .warnings(true)
        .extra_warnings(true)
        .flag("-fvisibility=hidden")
        .flag("-Wno-cast-function-type")
        .cargo_metadata(false);
    println!("cargo:rerun-if-changed=include");
    println!("cargo:rerun-if-changed=src/shim");
    for entry in fs::read_dir("src/shim").expect("src/shim is there") {
        let path = entry.expect("src/shim can be read").path();
        if path.extension().is_some_and(|e| e == "c") {
            build.file(path);
        }
    }
    build.compile("shim");
}

/// The enums that are made from the rows of src/shim/exports.h.
const ROWS: [&str; 7] = [
    "aw_function",
    "aw_statistic",
    "aw_gauge",
    "aw_event",
    "aw_report",
    "aw_command",
    "aw_argument",
];

/// Names their variants as Rust does: `AW_FUNCTION_jwt_sign` is `JwtSign`.
#[derive(Debug)]
struct Rows;

impl bindgen::callbacks::ParseCallbacks for Rows {
    fn enum_variant_name(
        &self,
        enum_name: Option<&str>,
        variant: &str,
        _: bindgen::callbacks::EnumVariantValue,
    ) -> Option<String> {
        let name = enum_name?.trim_start_matches("enum ");
        let row = ROWS.contains(&name).then_some(name)?;
        let words = variant.get(row.len() + 1..)?.split('_');
        let words = words.map(|word| word.split_at(word.len().min(1)));
        let named = words.map(|(first, rest)| first.to_uppercase() + &rest.to_lowercase());
        Some(named.collect())
    }
}

fn bind_interface(out: &Path) {
    bindgen::Builder::default()
        .header("include/auth_web.h")
        .header("include/opensips/abi.h")
        .clang_arg("-Isrc/shim")
        .allowlist_function("aw_.*") // aw_rs_* are ours: src/lib.rs checks them against this
        .allowlist_type("aw_.*")
        .allowlist_type("osips_(module_exports|str)")
        .allowlist_var("(aw|AW)_.*")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .rustified_enum(ROWS.join("|"))
        .prepend_enum_name(false)
        .derive_default(true)
        .generate_comments(false)
        .use_core()
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .parse_callbacks(Box::new(Rows))
        .generate()
        .expect("include/auth_web.h can be bound")
        .write_to_file(out.join("ffi.rs"))
        .expect("OUT_DIR can be written");
}

/// Lets the module load on an older glibc than the one it is linked on: 2.31, the version in Debian
/// 11 and in the official OpenSIPS image.
///
/// A linker takes the newest version of a symbol. It is given small stub libraries instead that
/// have the older one, under the names that both old and new systems know; src/shim/glibc.c covers
/// the rest.
fn link_for_older_glibc(out: &Path) {
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let base = match target("ARCH").as_str() {
        _ if target("OS") != "linux" || target("ENV") != "gnu" => return,
        "x86_64" => "GLIBC_2.2.5",
        "aarch64" => "GLIBC_2.17",
        _ => return,
    };
    let compiler = cc::Build::new().get_compiler();
    let mut where_is = compiler.to_command();
    let found = where_is.arg("-print-file-name=libpthread.so").output();
    if found.is_ok_and(|output| output.stdout.contains(&b'/')) {
        // It is a separate library here: this glibc is itself old.
        return;
    }
    let folder = out.join("glibc");
    fs::create_dir_all(&folder).expect("OUT_DIR can be written");
    for (library, symbols) in MOVED {
        let (source, versions, stub) = (
            folder.join(format!("{library}.c")),
            folder.join(format!("{library}.versions")),
            folder.join(format!("lib{library}.so")),
        );
        let version_of = |symbol: &str| match symbol {
            "pthread_setname_np" if base == "GLIBC_2.2.5" => "GLIBC_2.12",
            _ => base,
        };
        let code: String = symbols
            .iter()
            .map(|symbol| {
                let version = version_of(symbol);
                format!(
                    "void aw_{symbol}(void) {{}}\n\
                     __asm__(\".symver aw_{symbol},{symbol}@@{version}\");\n"
                )
            })
            .collect();
        let nodes = format!("{base} {{ local: aw_*; }};\nGLIBC_2.12 {{ }} {base};\n");
        fs::write(&source, code).expect("OUT_DIR can be written");
        fs::write(&versions, nodes).expect("OUT_DIR can be written");
        let soname = match library {
            "pthread" => "libpthread.so.0",
            "dl" => "libdl.so.2",
            _ => "librt.so.1",
        };
        let built = compiler
            .to_command()
            .args(["-shared", "-nostdlib", "-fPIC", "-fno-lto", "-o"])
            .arg(&stub)
            .arg(format!("-Wl,-soname,{soname}"))
            .arg(format!("-Wl,--version-script={}", versions.display()))
            .arg(&source)
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "{soname} for the linker can be made"
        );
    }
    println!("cargo:rustc-cdylib-link-arg=-L{}", folder.display());
}
