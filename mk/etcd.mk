# etcd on raftcore: bindings/go-etcd, and tests/etcd. Everything is built under target/etcd.
#
#   make etcd                          all scenarios
#   make etcd SCENARIOS='one rolling'  some of them; LOAD=10: seconds of load in each step

ETCD_OUT  := target/etcd
ETCD_BIN  := $(ETCD_OUT)/bin
ETCD_OURS := $(wildcard bindings/go/*.go bindings/go/*.h bindings/go-etcd/*.go bindings/go-etcd/*/*.go) bindings/go-etcd/go.mod

.PHONY: etcd etcd-test etcd-suites etcd-bench etcd-doc etcd-build etcd-proto go-etcd-test

# Stock etcd, as the module proxy has it.
$(ETCD_BIN)/stock/etcd: tests/etcd/stock/go.mod
	@mkdir -p $(@D)
	top="$$PWD"; cd tests/etcd/stock && $(GO) build -p 2 -o "$$top/$(@D)/" go.etcd.io/etcd/etcdctl/v3 go.etcd.io/etcd/etcdutl/v3
	top="$$PWD"; cd tests/etcd/stock && $(GO) build -o "$$top/$@" go.etcd.io/etcd/server/v3

$(ETCD_BIN)/old/etcd: tests/etcd/old/go.mod
	@mkdir -p $(@D)
	top="$$PWD"; cd tests/etcd/old && $(GO) build -o "$$top/$@" go.etcd.io/etcd/server/v3

# The same module with the two lines of docs/etcd.md.
$(ETCD_BIN)/raftcore/etcd: tests/etcd/stock/go.mod target/c/libraftcore.a $(ETCD_OURS) | go-lib
	@mkdir -p $(@D) $(ETCD_OUT)/own
	cp tests/etcd/stock/go.mod tests/etcd/stock/go.sum $(ETCD_OUT)/own/
	top="$$PWD"; cd $(ETCD_OUT)/own && $(GO) mod edit -replace go.etcd.io/raft/v3="$$top/bindings/go-etcd"
	top="$$PWD"; cd $(ETCD_OUT)/own && $(GO) mod edit -replace raftcore.example/go="$$top/bindings/go"
	top="$$PWD"; cd $(ETCD_OUT)/own && $(GO) build -mod=mod -o "$$top/$@" go.etcd.io/etcd/server/v3

$(ETCD_BIN)/scenarios: $(wildcard tests/etcd/*.go) tests/etcd/go.mod
	@mkdir -p $(@D)
	top="$$PWD"; cd tests/etcd && $(GO) vet . && $(GO) test -count=1 . && $(GO) build -o "$$top/$@" .

etcd-build: go-lib $(ETCD_BIN)/stock/etcd $(ETCD_BIN)/old/etcd $(ETCD_BIN)/raftcore/etcd $(ETCD_BIN)/scenarios

etcd: etcd-build go-etcd-test  ## etcd on raftcore, and beside stock etcd 3.7.3 and 3.6.16, under load and kill -9
	@$(ETCD_BIN)/scenarios -bin "$$PWD/$(ETCD_BIN)" -work "$$PWD/$(ETCD_OUT)/work" -seconds $(or $(LOAD),2) $(SCENARIOS)

# The short form, a stage of `make test`.
etcd-test: etcd-build go-etcd-test  ## the same in four minutes, with a part of etcd's own tests, and the lines of docs/etcd.md
	@$(ETCD_BIN)/scenarios -bin "$$PWD/$(ETCD_BIN)" -work "$$PWD/$(ETCD_OUT)/work" -seconds $(or $(LOAD),0.5) $(SCENARIOS)
	@tests/etcd/suites short
	@$(MAKE) -s etcd-doc

etcd-suites: etcd-build  ## etcd's own tests on raftcore and on stock, an hour: SUITES='unit integration e2e common common-e2e robustness'
	@tests/etcd/suites --on both $(or $(SUITES),unit integration)

etcd-doc: etcd-build
	@tests/etcd/doc.sh "$$PWD/$(ETCD_BIN)" "$$PWD/$(ETCD_OUT)/doc" >$(ETCD_OUT)/doc.log 2>&1 || { tail -n 40 $(ETCD_OUT)/doc.log; exit 1; }
	@tail -n 1 $(ETCD_OUT)/doc.log

etcd-bench: etcd-build  ## etcd on raftcore beside stock: PASSES=7, LOAD=4 seconds for each figure
	@$(ETCD_BIN)/scenarios -bin "$$PWD/$(ETCD_BIN)" -work "$$PWD/$(ETCD_OUT)/work" -seconds $(or $(LOAD),4) -bench $(or $(PASSES),7)

go-etcd-test: go-lib  ## the drop-in for etcd's raft: its own tests, and its names against etcd's
	cd bindings/go-etcd && test -z "$$(gofmt -l . ../../tests/etcd)"
	cd bindings/go-etcd && $(GO) vet ./... && $(GO) test -count=1 ./...

# Writes bindings/go-etcd/raftpb/raft.pb.go anew; needs protoc.
etcd-proto:
	@mkdir -p $(ETCD_OUT)/tools
	top="$$PWD"; cd bindings/go-etcd && GOBIN="$$top/$(ETCD_OUT)/tools" $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
	top="$$PWD"; cd bindings/go-etcd/raftpb && PATH="$$top/$(ETCD_OUT)/tools:$$PATH" protoc --go_out=. --go_opt=paths=source_relative raft.proto
