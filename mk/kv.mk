# raftcore-kv, examples-c/kv: the server, its tests, its benchmark. Everything goes under target/kv.
#
#   make kv-test                 every case on both log stores; LOG=files or LOG=lmdb takes one, SEED=… repeats a run
#   PASSES=7 SECONDS=1 make bench-kv   beside etcd and redis; DISK=DIR puts the servers on another disk

KV_OUT := target/kv

kv: $(HOST_OUT)/libraftcore_host.a target/c/libraftcore.a  ## build the replicated key-value server of examples-c/kv
	@$(MAKE) -C examples-c/kv LIBS='$(addprefix $(CURDIR)/,$^) $(HOST_LIBS) $(C_LIBS)'

# The conformance suite for log stores, on the store in LMDB.
$(KV_OUT)/log-check: tests/kv/log_check.c $(addprefix bindings/c/lmdb/,lmdb_log.c lmdb_env.c) $(HOST_CHECK) $(HOST_LOW) $(HOST_HDR) \
		$(wildcard bindings/c/lmdb/*.h)
	$(HOST_CC) $(HOST_FLAGS) -O2 -Ibindings/c/lmdb $(filter %.c,$^) -llmdb -lpthread -o $@

# The map in LMDB beside a model, under AddressSanitizer.
$(KV_OUT)/map: tests/kv/map.c $(wildcard bindings/c/lmdb/*.c) $(addprefix bindings/c/,sessions.c codes.c) $(HOST_HDR) $(wildcard bindings/c/lmdb/*.h)
	$(HOST_CC) $(HOST_SANE) -Ibindings/c/lmdb $(filter %.c,$^) -llmdb -lpthread -o $@

.PHONY: kv kv-test
kv-test: kv $(KV_OUT)/log-check $(KV_OUT)/map  ## the key-value servers under load, killed with -9 one by one, on damaged disks; on both log stores
	dir=$$(mktemp -d /dev/shm/kv-log-check-XXXXXX) && $(KV_OUT)/log-check $$dir/log && $(KV_OUT)/map $$dir; status=$$?; rm -rf $$dir; exit $$status
	tests/kv/run $(KV_OUT)

$(KV_OUT)/limit: benches/kv/limit.c
	$(HOST_CC) -std=gnu11 -O2 -Wall -Wextra -Werror $< -lpthread -o $@
$(KV_OUT)/etcd-load: benches/kv/etcd/main.go benches/kv/etcd/go.mod
	@mkdir -p $(@D)
	top="$$PWD"; cd benches/kv/etcd && $(GO) vet . && $(GO) build -o "$$top/$@" .

.PHONY: bench-kv
bench-kv: kv $(KV_OUT)/limit $(KV_OUT)/etcd-load  ## raftcore-kv beside etcd-server and redis-server from apt, one interleaved run; target/report/kv-bench.md, .svg
	@for p in redis-server redis-benchmark etcd etcdctl; do command -v $$p >/dev/null || \
	    { echo "$$p is missing: apt-get install redis-server redis-tools etcd-server etcd-client"; exit 1; }; done
	@mkdir -p target/report
	benches/kv/run target/report $(KV_OUT)
	@mk/stamp target/report/kv-bench.md
