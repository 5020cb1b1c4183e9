# raftcore. `make` alone prints the targets. How the C artefacts are built stands in mk/c.mk.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
GO ?= go
PYTHON ?= python3
# Every variant of the library that is linted and documented: the Rust face alone, and with the C ABI.
FACES := '' capi

include $(wildcard mk/*.mk)

.PHONY: help build minimal kv demo setup test check rust header check-header ctest alloc-test ctest-asan ctest-valgrind kv-test \
	conformance conformance-30s stories lockstep simulate hostile verify sources clean

help:
	@echo 'raftcore: make TARGET'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s%s\n", $$1, $$2 }' Makefile mk/*.mk

# Go's build cache sees no change of the header and of the library, which lie outside of the package: `go run` would run the core of before.
GO_SEES = export CGO_CFLAGS='-O2 -g -DCORE_SUM=$(firstword $(shell cat include/raftcore.h target/c/libraftcore.a | cksum))' &&
CONFORMANCE = cd tests/conformance && $(GO_SEES)

# The targets without a recipe here have theirs in mk/c.mk.
build: target/c/libraftcore.a target/c/libraftcore.so  ## the library: for Rust, and for C as target/c/libraftcore.{a,so}
	$(CARGO) build --release
minimal:  ## build and run examples-c/minimal.c: three nodes in one process
demo:  ## three servers, one killed with -9 under load, a fourth added; FILE=… loads another file, KEEP=1 leaves them up
	@.ci/setup demo
	@$(MAKE) -s kv
	@examples-c/kv/demo.sh
setup:  ## install with apt-get what `test` needs and this machine lacks
	@.ci/setup test
test:  ## everything that CI runs, a line a stage; V=1 shows all output, STAGES='check rust' runs a part
	@if [ "$$CI" = true ]; then .ci/setup test; fi
	@mk/stages $(or $(STAGES),check rust etcd-test mutants-quick kv-test host-test redis-test sqlite-test interop-test conformance-30s go-test go-host-test python-test python-host-test faces loops-test snapshots-test ctest alloc-test ctest-asan ctest-valgrind minimal stories hpp-test install-test golden-test raft-rs-test docs-test dist-test bench-check)
# What several stages of `test` link: built before two of them run at once.
shared: build host counter kv go-lib
check: check-header  ## formatting, clippy, layering, documentation without warnings, header up to date
	$(CARGO) fmt --all --check -- tests/faults/planted.rs tests/faults/planter/src/main.rs tests/faults/planter/src/lib.rs
	for crate in $(wildcard */*/Cargo.toml */*/*/Cargo.toml fuzz/Cargo.toml); do \
	    case $$crate in target/*) ;; *) $(CARGO) fmt --manifest-path $$crate --check || exit 1;; esac; done
	for face in $(FACES); do $(CARGO) clippy --quiet --workspace --all-targets --features "$$face" -- -D warnings || exit 1; done
	$(CARGO) clippy --quiet --features header --target-dir target/header -- -D warnings
	for face in $(FACES); do \
	    RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --no-deps --features "$$face" || exit 1; \
	done
	$(CARGO) test --quiet --test sources
rust:  ## the Rust tests
	$(CARGO) test --quiet --features capi
ctest:  ## the C tests, the header as C99 and as C++17
alloc-test: $(C_OUT)/test/hot_path  ## nothing allocated on the hot path in a million rounds, from Rust and from C; no growth in 10^7 entries
	ALLOC_ROUNDS=$(or $(ROUNDS),1000000) ALLOC_ENTRIES=$(or $(ENTRIES),10000000) $(CARGO) test --quiet --release --test alloc -- --nocapture
	$< $(or $(ROUNDS),1000000)
ctest-asan:  ## the C tests under AddressSanitizer, the library with them
ctest-valgrind:  ## the C tests under valgrind
conformance: target/c/libraftcore.a target/c/libraftcore_faults.a  ## etcd's 743 cases, a million steps of lock-step, mixed clusters; a table
	$(CONFORMANCE) $(GO) vet ./... && $(GO) vet -tags hooks ./... && $(GO) run ./cmd/report -hooks -steps $(or $(STEPS),1000000)
	@mk/stamp target/report/conformance.json
conformance-30s: target/c/libraftcore.a target/c/libraftcore_faults.a  ## the same with 30 seconds of lock-step
	$(CONFORMANCE) $(GO) vet ./... && $(GO) test -count=1 ./... && $(GO) test -count=1 -tags hooks -run 'TestConfChange|TestQuorum' .
stories: target/c/libraftcore.a  ## the readable exchanges of tests/stories; REWRITE=1 writes their output anew
	$(CONFORMANCE) $(GO) test -count=1 -run 'TestStories' . $(if $(REWRITE),-rewrite)
lockstep: target/c/libraftcore.a  ## etcd's raft and raftcore side by side: STEPS=1000000, SEED=… repeats a run
	$(CONFORMANCE) LOCKSTEP_STEPS=$(or $(STEPS),1000000) LOCKSTEP_SEED=$(SEED) $(GO) test -v -count=1 -timeout 24h -run 'TestLockstep$$' .
header:  ## write include/raftcore.h anew
check-header:  ## is include/raftcore.h what build.rs makes of src/ffi and mk/header?
simulate:  ## clusters in a deterministic simulation: SEEDS=1000, SEED=… repeats one; tests/simulation/README.md
	@$(if $(SEED),SIM_SEED=$(SEED)) $(if $(SEEDS)$(SEED),,SIM_SEEDS=1000) $(if $(SEEDS),SIM_SEEDS=$(SEEDS)) \
	    $(CARGO) test --quiet --release --features capi --test simulation sweep -- --nocapture
	@mk/stamp target/report/simulate.json
hostile:  ## messages from anywhere, some 10^8 of them: TIMES=80, HOSTILE_SEED=… repeats a run
	HOSTILE_TIMES=$(or $(TIMES),80) $(CARGO) test --quiet --release --features capi --test hostile -- --nocapture
verify:  ## long versions of all suites in two lanes, and a table with the time of each; SUITES='kv etcd' runs a part
	@mk/verify $(SUITES)
sources:  ## each source tag (paper, issue, scenario) with the code and the tests that carry it
	@$(CARGO) test --quiet --test sources -- --nocapture tags the_page rules_of
clean:  ## remove all that was built
	$(CARGO) clean
