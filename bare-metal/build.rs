//! Gives an image the linker script of its board; a build for a hosted system needs none.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=link");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let board = match arch.as_str() {
        "aarch64" | "arm" => "arm_virt",
        other => other,
    };
    let script = Path::new(&root).join("link").join(format!("{board}.ld"));
    println!("cargo:rustc-link-arg-bins=-T{}", script.display());
    if arch == "x86_64" {
        // The target's default is position-independent, for a loader that relocates; this image has none.
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
