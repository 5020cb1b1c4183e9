# The host for Go, bindings/go/host, and its tests. It is a module of its own beside the binding, and has no other dependency.
#
#   make go-host-test                  the tests, the example as processes killed with -9; under a minute
#   make go-host-race                  the tests under Go's race detector
#   make bench-go-host                 beside hashicorp/raft with raft-boltdb, three members each, in one run
#                                      BENCH_DIR=… on another disk, BENCH_SECONDS=… for each measurement, BENCH_ROUNDS=…

# A process killed with -9 loses nothing that it wrote, so the data of the tests need no disk.
GO_HOST       := cd bindings/go/host && TMPDIR=$(firstword $(wildcard /dev/shm /tmp)) $(GO)
GO_HOST_BENCH := target/bench/go-host

.PHONY: go-host-test go-host-race bench-go-host

go-host-test: go-lib  ## the host for Go: wire vectors, log, group, TLS; its example as processes, killed with -9
	cd bindings/go/host && test -z "$$(gofmt -l .)"
	$(GO_HOST) vet ./...
	$(GO_HOST) test -count=1 ./...
	cd benches/go-host && test -z "$$(gofmt -l .)"
go-host-race: go-lib  ## the same tests under Go's race detector
	$(GO_HOST) test -count=1 -race ./...
bench-go-host: go-lib  ## the host for Go beside hashicorp/raft with raft-boltdb, in one run: lines of a service, writes, reads
	@mkdir -p $(GO_HOST_BENCH)
	cd benches/go-host && $(GO) vet ./... && $(GO) build -o ../../$(GO_HOST_BENCH)/bench .
	benches/go-host/services/check
	$(GO_HOST_BENCH)/bench -dir $(or $(BENCH_DIR),$(GO_HOST_BENCH)) -seconds $(or $(BENCH_SECONDS),3) -rounds $(or $(BENCH_ROUNDS),3)
