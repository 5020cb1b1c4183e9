# The archive for etcd's confchange and quorum suites: the library and, beside it, the functions of
# tests/conformance/raftcore_test_hooks.h. It has a cargo target directory of its own, so that nothing of it gets into the library
# that is released.

HOOKS_CARGO := $(C_OUT)/cargo-hooks

$(C_OUT)/libraftcore_hooks.a: $(C_RUST) mk/hooks.mk
	@mkdir -p $(C_OUT)
	$(CARGO) rustc --quiet --release --target-dir $(HOOKS_CARGO) --features test-hooks --crate-type staticlib \
	    --config profile.release.lto=false --config profile.release.codegen-units=16
	@cp $(HOOKS_CARGO)/release/libraftcore.a $@
