# The artefacts of a release, below target/dist; mk/dist says how each is made. docs/install.md says how each is used.
#
#   make dist                          all of them, and SHA256SUMS; needs the network for package registries, the first time
#   make dist-again                    makes all of them a second time, in another folder: the same bytes?
#   make dist-test                     installs each in a clean environment, and runs three members
#   make dist-verify                   the same for the crate and the source archive, which cargo builds: some minutes
#   make oldest                        builds with the oldest Rust and Go that docs/install.md names

DIST       := target/dist
DIST_TOOLS := target/tools/dist

.PHONY: dist dist-again dist-test dist-verify oldest

$(DIST_TOOLS)/venv/done: mk/dist/tools.txt
	@rm -rf $(DIST_TOOLS)/venv && $(PYTHON) -m venv $(DIST_TOOLS)/venv
	$(DIST_TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Does what lies in target/dist belong to the sources of today?
DIST_STATE = { git rev-parse HEAD^{tree}; git diff HEAD; } | sha256sum

dist: $(DIST_TOOLS)/venv/done  ## the artefacts of a release, below target/dist: sources, crate, C archive, Go proxy, wheel, sdist, SBOM
	mk/dist/build $(DIST) target/dist-work $(DIST_TOOLS)
	@$(DIST_STATE) > target/dist-work/state

dist-again: $(DIST_TOOLS)/venv/done  ## makes the artefacts once more, in another folder: the same bytes?
	mk/dist/build target/dist-2 target/dist-2-work $(DIST_TOOLS)
	diff $(DIST)/SHA256SUMS target/dist-2/SHA256SUMS && echo 'the same bytes'

dist-test:  ## installs each artefact of `make dist` where no cargo and no checkout is, and runs three members; under a minute
	@if ! $(DIST_STATE) | cmp -s - target/dist-work/state; then \
	    if [ -e $(DIST)/SHA256SUMS ] && [ "$(CI)" != true ]; then echo 'skipped: artefacts of today: those in $(DIST) are older; `make dist` makes new ones'; \
	    else $(MAKE) dist; fi; fi
	tests/dist/run $(DIST)

dist-verify:  ## installs the crate and the source archive of `make dist`, which cargo builds: some minutes
	tests/dist/run $(DIST) rust source

OLDEST_RUST = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
OLDEST_GO   = $(shell sed -n 's/^go \(.*\)/\1/p' bindings/go/go.mod)

oldest: go-lib  ## builds with the oldest Rust and Go that docs/install.md names
	@if cargo +$(OLDEST_RUST) --version >/dev/null 2>&1; then \
	    RUSTFLAGS='--cap-lints allow' cargo +$(OLDEST_RUST) check --quiet --features capi --target-dir target/oldest && echo 'Rust $(OLDEST_RUST) builds the core'; \
	else test "$(CI)" != true && echo 'skipped: Rust $(OLDEST_RUST): rustup toolchain install $(OLDEST_RUST) --profile minimal'; fi
	@if GOTOOLCHAIN=go$(OLDEST_GO).0 $(GO) version >/dev/null 2>&1; then \
	    for module in go go/host go-etcd; do \
	        (cd bindings/$$module && GOTOOLCHAIN=go$(OLDEST_GO).0 $(GO) build ./...) || exit 1; \
	    done; echo 'Go $(OLDEST_GO) builds the packages'; \
	else test "$(CI)" != true && echo 'skipped: Go $(OLDEST_GO): go cannot fetch this toolchain here'; fi
