//! Gives the shared library the name under which programs look for it: that of its ABI.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = "1"; // KF_ABI_VERSION; a test of the installed library compares the two
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos" | "ios") => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libkeyferry.{version}.dylib");
        }
        Ok("windows") | Err(_) => {}
        Ok(_) => println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libkeyferry.so.{version}"),
    }
}
