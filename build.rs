//! Names the shared library for its users, and the cfgs that the tests of the C ABI set. It generates nothing: the header is
//! committed, and `make check-header` holds it to the sources.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A library with a bug planted on purpose, to see a panic caught at the C ABI (mk/c.mk).
    println!("cargo::rustc-check-cfg=cfg(raftcore_test_panic)");
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    // Before 1.0 each minor version may break the ABI, so the soname has both numbers.
    if var("CARGO_CFG_TARGET_OS") == "linux" {
        let (major, minor) = (var("CARGO_PKG_VERSION_MAJOR"), var("CARGO_PKG_VERSION_MINOR"));
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libraftcore.so.{major}.{minor}");
    }
}
