# The library with the faults of tests/faults, one of which RAFTCORE_FAULT chooses, for tests/conformance/faults and tests/c/panic.c; beside
# it the functions of tests/conformance/raftcore_test_hooks.h, for etcd's confchange and quorum suites. It has a cargo target directory of
# its own, so that nothing of it gets into the library that is released.

$(C_OUT)/libraftcore_faults.a: faulty-tree
	RUSTFLAGS='--cap-lints allow' mk/built $@ libraftcore.a $(C_RUSTC) --manifest-path $(FAULTY)/Cargo.toml \
	    --target-dir $(C_OUT)/cargo-faults --features capi \
	    --config profile.dev.opt-level=1 --config profile.dev.debug-assertions=false --config profile.dev.debug=false

.PHONY: conformance-faults
conformance-faults: $(C_OUT)/libraftcore_faults.a
	tests/conformance/faults $(FAULTS)
