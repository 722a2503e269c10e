//! Gives the shared library the name under which programs look for it: `libkeyferry.so.1`, where 1 is
//! `KF_ABI_VERSION`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // cargo-c names it by itself.
    if std::env::var_os("CARGO_FEATURE_CAPI").is_some() {
        return;
    }
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libkeyferry.1.dylib");
        }
        Ok("windows") => {}
        _ => println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libkeyferry.so.1"),
    }
}
