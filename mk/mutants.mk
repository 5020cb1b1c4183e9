# The test suites over a core with planted faults (tests/faults), and cargo-mutants.

MUTANTS := target/mutants
FAULTY  := target/faults/tree

.PHONY: planter faulty-tree mutants mutants-quick

planter:
	@mk/built target/tools/planter planter $(CARGO) build --quiet --message-format=json-render-diagnostics --release --locked \
	    --target-dir target/tools/cargo --manifest-path tests/faults/planter/Cargo.toml

# A copy of this tree whose core has all faults planted. An edit that does not fit the sources stops the make here, and is named.
faulty-tree: planter
	@target/tools/planter $(FAULTY)

# mutants-build: SUITES, OPTIONS. One build for all faults; RAFTCORE_FAULT picks one at run time. Dependencies are those of `make rust`;
# of this package, cargo keeps what a wrapper compiled apart from everything else.
define MUTANTS_BUILD
	@mkdir -p $(MUTANTS)
	@RUSTC_WORKSPACE_WRAPPER="$$PWD/tests/mutants/rustc" $(CARGO) test --quiet --manifest-path $(FAULTY)/Cargo.toml \
	    --target-dir "$$PWD/target" --features capi $(1) $(2) --no-run --message-format=json > $(MUTANTS)/build.json
	@sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' $(MUTANTS)/build.json | while IFS= read -r exe; do \
	    name=$${exe##*/}; name=$${name%-*}; ln -sf "$$exe" $(MUTANTS)/$$(test $$name = raftcore && echo lib || echo $$name); \
	done
endef

mutants: faulty-tree  ## each planted fault and the suite that finds it: a table, target/report/mutants.json; FAULTS=… picks some
	$(call MUTANTS_BUILD,--lib --test api --test scenarios --test hostile --test simulation,--config profile.test.package.raftcore.opt-level=3)
	tests/mutants/run full $(FAULTS)
	@mk/stamp target/report/mutants.json
mutants-quick: faulty-tree  ## each planted fault against the one test that tests/mutants/killers.txt names for it
	$(call MUTANTS_BUILD,--test api --test scenarios)
	tests/mutants/run quick $(FAULTS)

# cargo-mutants changes one operator, value or return at a time: thousands of mutants, here all in one build (tests/mutants/at-once). The
# run judges some 60 mutants a minute on two quiet cores. It can be stopped; started again, it leaves out what was killed already.
# FILES='src/raft/*.rs' takes a part.
CARGO_MUTANTS := target/tools/bin/cargo-mutants

$(CARGO_MUTANTS):
	$(CARGO) install --quiet --locked --debug --root target/tools --version 27.1.0 cargo-mutants

.PHONY: cargo-mutants
cargo-mutants: $(CARGO_MUTANTS)  ## cargo-mutants over the core, all suites, some 60 a minute, resumed where it was stopped; FILES=… takes a part; tests/mutants/README.md
	mk/built target/tools/at-once at-once $(CARGO) build --quiet --message-format=json-render-diagnostics --release --locked \
	    --target-dir target/tools/cargo --manifest-path tests/mutants/at-once/Cargo.toml
	target/tools/at-once $(CARGO_MUTANTS) $(FILES)
	@mk/stamp target/report/cargo-mutants.md
	@[ "$(REWRITE)" != 1 ] || mk/held tests/mutants/README.md cargo-mutants 0 < target/report/cargo-mutants.md
