# One group with members on the host library for C and on the host for Go, over sockets: tests/interop.
#
#   make interop-test                        groups founded on either, kills, snapshots across, faulty links; under a minute
#   INTEROP_SECONDS=600 make interop-test    ten minutes of kills and trouble; SEED=… repeats the choices

INTEROP_OUT := target/interop

.PHONY: interop-test

interop-test: counter go-lib  ## C and Go members in one group: founding, joins, kills, snapshots across, faulty links, TLS
	@mkdir -p $(INTEROP_OUT)
	cd tests/interop && test -z "$$(gofmt -l .)" && $(GO) vet ./... && $(GO) build -o ../../$(INTEROP_OUT)/counter-go ./counter
	tests/interop/run $(HOST_OUT)/counter $(INTEROP_OUT)/counter-go
