# What releases have promised, kept in tests/golden: docs/versions.md.

.PHONY: golden-test

golden-test: target/host/counter go-lib  ## the ABI, the wire and the files on disk of 0.1.0: do they hold?
	tests/golden/abi.py
	tests/golden/wire.py
	@mkdir -p target/golden
	cd tests/interop && $(GO) build -o ../../target/golden/counter-go ./counter
	tests/golden/disk check target/host/counter target/golden/counter-go
