# The test suites over a core with planted faults (src/fault.rs), and cargo-mutants.

MUTANTS := target/mutants

.PHONY: mutants mutants-quick

# mutants-build: SUITES, OPTIONS. One build for all faults; RAFTCORE_FAULT picks one at run time. Dependencies are those of `make rust`;
# of this package, cargo keeps what a wrapper compiled apart from everything else.
define MUTANTS_BUILD
	@mkdir -p $(MUTANTS)
	@RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/tests/mutants/rustc $(CARGO) test --quiet --features capi $(1) $(2) --no-run \
	    --message-format=json > $(MUTANTS)/build.json
	@for exe in $$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' $(MUTANTS)/build.json); do \
	    name=$$(basename $$exe); name=$${name%-*}; ln -sf $$exe $(MUTANTS)/$$(test $$name = raftcore && echo lib || echo $$name); \
	done
endef

mutants:  ## each planted fault and the suite that finds it: a table, target/report/mutants.json; FAULTS=… picks some
	$(call MUTANTS_BUILD,--lib --test api --test scenarios --test hostile --test simulation,--config profile.test.package.raftcore.opt-level=3)
	tests/mutants/run full $(FAULTS)
mutants-quick:  ## each planted fault against the one test that tests/mutants/killers.txt names for it
	$(call MUTANTS_BUILD,--test api --test scenarios)
	tests/mutants/run quick $(FAULTS)

# cargo-mutants changes one operator, value or return at a time and runs the cheap suites. Hours for the whole core: it can be stopped;
# started again, it leaves out what was caught already. FILES='src/quorum.rs src/raft/*.rs' takes a part, TESTS=--lib fewer tests.
CARGO_MUTANTS := target/tools/bin/cargo-mutants

$(CARGO_MUTANTS):
	$(CARGO) install --quiet --locked --debug --root target/tools --version 27.1.0 cargo-mutants

.PHONY: cargo-mutants
cargo-mutants: $(CARGO_MUTANTS)  ## cargo-mutants over the core, resumed where it was stopped; hours; FILES=… takes a part; tests/mutants/README.md
	$(CARGO_MUTANTS) mutants --iterate --output target --no-shuffle --timeout 120 --baseline skip --exclude-re 'fault!' \
	    $(foreach file,$(or $(FILES),src/quorum.rs src/log/*.rs src/membership/*.rs src/peers/*.rs src/outbox.rs src/raft/*.rs src/ready/*.rs src/node/*.rs),--file '$(file)') \
	    --features capi $(addprefix --cargo-arg=,$(or $(TESTS),--lib --test=api --test=scenarios --test=paper))
