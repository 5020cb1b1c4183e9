# Printed code, run. Each loop that is printed in a document or a comment, completed to a program: tests/loops. The
# functions of docs/snapshots.md: tests/snapshots.

.PHONY: loops-test snapshots-test

loops-test: target/c/libraftcore.a target/c/libraftcore.so go-lib  ## each printed loop: booted with a long log, then a member joins by a large snapshot
	$(CARGO) build --quiet --features capi --target-dir target
	rustfmt --check --edition 2024 tests/loops/rust/main.rs
	CC='$(CC)' GO=$(GO) PYTHON=$(PYTHON) tests/loops/run

snapshots-test: target/c/libraftcore.a  ## the functions of docs/snapshots.md, on disks that lose power; RUNS=2000 for more
	CC='$(CC)' $(PYTHON) tests/snapshots/run
