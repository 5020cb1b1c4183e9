//! Names the cfgs that the tests of the C ABI set. It generates nothing: the header is committed, and `make check-header` holds it to
//! the sources; the libraries for C are linked by mk/c.mk.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A library with a bug planted on purpose, to see a panic caught at the C ABI.
    println!("cargo::rustc-check-cfg=cfg(raftcore_test_panic)");
}
