# The archive for etcd's confchange and quorum suites: the library and, beside it, the functions of
# tests/conformance/raftcore_test_hooks.h. It has a cargo target directory of its own, so that nothing of it gets into the library
# that is released.

HOOKS_CARGO := $(C_OUT)/cargo-hooks

$(C_OUT)/libraftcore_hooks.a: $(C_RUST) mk/hooks.mk
	@mkdir -p $(C_OUT)
	$(CARGO) rustc --quiet --release --target-dir $(HOOKS_CARGO) --features test-hooks --crate-type staticlib \
	    --config profile.release.lto=false --config profile.release.codegen-units=16
	@cp $(HOOKS_CARGO)/release/libraftcore.a $@

# The library with the faults of src/fault.rs, one of which RAFTCORE_FAULT chooses; see tests/conformance/faults.
$(C_OUT)/libraftcore_faults.a: $(C_RUST) mk/hooks.mk
	@mkdir -p $(@D)
	RUSTFLAGS='--cfg raftcore_faults' $(CARGO) rustc --quiet --target-dir $(C_OUT)/cargo-faults --features capi --crate-type staticlib \
	    --config profile.dev.opt-level=1 --config profile.dev.debug-assertions=false --config profile.dev.debug=false
	@cp $(C_OUT)/cargo-faults/debug/libraftcore.a $@

.PHONY: conformance-faults
conformance-faults: $(C_OUT)/libraftcore_faults.a
	tests/conformance/faults $(FAULTS)
