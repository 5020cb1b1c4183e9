# The artefacts of a release, below target/dist; mk/dist says how each is made. docs/install.md says how each is used.
#
#   make dist                          all of them, and SHA256SUMS; needs the network for package registries, the first time
#   make dist-again                    makes all of them a second time, in another folder: the same bytes?
#   make dist-test                     the artefacts that need no cargo, with the libraries of this checkout: installed, three members run
#   make dist-verify                   the release: made twice, and each artefact installed and run, also those that cargo builds
#   make oldest                        builds with the oldest Rust and Go that docs/install.md names

DIST       := target/dist
DIST_TOOLS := target/tools/dist

.PHONY: dist dist-again dist-test dist-verify oldest

# Without a network the builders cannot be had: then dist-test says so, and CI fails.
$(DIST_TOOLS)/venv/done: mk/dist/tools.txt
	@rm -rf $(DIST_TOOLS)/venv && $(PYTHON) -m venv $(DIST_TOOLS)/venv
	@if $(DIST_TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check -r $<; then touch $@; \
	else test "$(CI)" != true && echo 'skipped: the artefacts: pip can fetch no builders here'; fi
$(DIST_TOOLS)/venv/zig: mk/dist/zig.txt $(DIST_TOOLS)/venv/done
	$(DIST_TOOLS)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

dist: $(DIST_TOOLS)/venv/zig  ## the artefacts of a release, below target/dist: sources, crate, C archive, Go proxy, wheel, sdist, SBOM
	mk/dist/build $(DIST) target/dist-work $(DIST_TOOLS)

dist-again: $(DIST_TOOLS)/venv/zig  ## makes the artefacts once more, in another folder: the same bytes?
	mk/dist/build target/dist-2 target/dist-2-work $(DIST_TOOLS)
	diff $(DIST)/SHA256SUMS target/dist-2/SHA256SUMS && echo 'the same bytes'

dist-test: host go-lib $(DIST_TOOLS)/venv/done  ## C archive, Go modules and wheel, with the libraries of this checkout: installed where no cargo and no checkout is, three members run
	@test ! -e $(DIST_TOOLS)/venv/done || \
	    { mk/dist/build --here target/dist-here target/dist-here-work $(DIST_TOOLS) && tests/dist/run target/dist-here; }

dist-verify: dist  ## the artefacts of a release: made twice with the same bytes, and each installed and run
	$(MAKE) dist-again
	tests/dist/run $(DIST) c go python rust source sdist
	@echo "dist: $$(wc -l < $(DIST)/SHA256SUMS) artefacts, made twice with the same bytes; installed and run: C, Go, wheel, crate, source archive, sdist"

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
