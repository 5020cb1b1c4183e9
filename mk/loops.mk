# Each loop that is printed in a document or a comment, completed to a program, and run: tests/loops.

.PHONY: loops-test

loops-test: target/c/libraftcore.a target/c/libraftcore.so go-lib  ## each printed loop: booted with a long log, then a member joins by a large snapshot
	$(CARGO) build --quiet --features capi --target-dir target
	rustfmt --check --edition 2024 tests/loops/rust/main.rs
	CC='$(CC)' GO=$(GO) PYTHON=$(PYTHON) tests/loops/run
