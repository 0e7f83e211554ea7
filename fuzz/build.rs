//! The library contains calls into the OpenSIPS core, whose symbols only exist when OpenSIPS loads
//! it. No fuzz target reaches such a call, so they may stay unresolved.

fn main() {
    println!("cargo:rustc-link-arg=-Wl,--unresolved-symbols=ignore-all");
    println!("cargo:rerun-if-changed=build.rs");
}
