# The host library for C, bindings/c, and its tests, tests/host. Everything goes under target/host.
#
#   make host-test                    wire vectors; the file log under power cuts, damage and failing calls
#   HOST_TIMES=10 make host-test      ten times the random cases, from 8 on every bit of every byte; SEED=… repeats a run
#   make host-mutants                 plants faults in the file log: does the suite notice?

HOST_OUT   := target/host
HOST_SONAME := $(C_SONAME:libraftcore.%=libraftcore_host.%)
HOST_SRC   := $(wildcard bindings/c/*.c)
HOST_CHECK := $(wildcard bindings/c/check/*.c)
HOST_HDR   := $(wildcard bindings/c/*.h bindings/c/check/*.h tests/host/*.h) include/raftcore.h include/raftcore_host.h
HOST_WARN  := -Wall -Wextra -Werror -Wshadow -Wvla
HOST_FLAGS := -std=gnu11 -g $(HOST_WARN) -D_FILE_OFFSET_BITS=64 -Iinclude -Ibindings/c -Ibindings/c/check -Itests/host
# TLS by OpenSSL, if its headers are here (apt-get install libssl-dev pkg-config). HOST_TLS= builds without it.
HOST_TLS   ?= $(shell pkg-config --exists 'openssl >= 3' 2>/dev/null && echo yes)
HOST_FLAGS += $(if $(HOST_TLS),-DRH_TLS $(shell pkg-config --cflags openssl))
HOST_LIBS  := $(if $(HOST_TLS),$(shell pkg-config --libs openssl)) -lpthread
HOST_SANE  := $(HOST_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

# Prints the target alone; `make -n` shows the whole command.
HOST_CC     = @mkdir -p $(@D); echo 'cc $@'; $(CC)

# Each is a program that takes a scratch directory and answers 0 if all is well.
HOST_TESTS := wire snapshot snapshot_log log_file log_end log_check one_file_check threads driver_sim host_threads host_backup host_faults host_tls host_moved host_command host_stall host_starts host_heap host_power net_links net_strangers net_bulk net_tls net_heap net_threads
HOST_ONE   := $(wildcard tests/host/one_file*.c)

$(HOST_OUT)/%.o: bindings/c/%.c $(HOST_HDR) mk/host.mk
	$(HOST_CC) $(HOST_FLAGS) -O2 -fPIC -Wconversion -c $< -o $@

$(HOST_OUT)/libraftcore_host.a: $(HOST_SRC:bindings/c/%.c=$(HOST_OUT)/%.o)
	@rm -f $@
	@echo 'ar $@'; ar crs $@ $^

# The shared library: everything with the prefix, and the core from its own shared library.
$(HOST_OUT)/libraftcore_host.so: $(HOST_SRC:bindings/c/%.c=$(HOST_OUT)/%.o) $(C_OUT)/libraftcore.so
	@printf 'RAFTCORE_HOST_1 { global: rh_*; local: *; };\n' > $(HOST_OUT)/host.map
	$(HOST_CC) -shared -o $(HOST_OUT)/$(HOST_SONAME) $(filter %.o,$^) -Wl,-soname,$(HOST_SONAME) -Wl,--version-script=$(HOST_OUT)/host.map \
	    -Wl,-z,relro,-z,now -Wl,--no-undefined -L$(C_OUT) -lraftcore $(HOST_LIBS)
	@ln -sf $(HOST_SONAME) $@

$(HOST_OUT)/counter $(HOST_OUT)/store $(HOST_OUT)/smallest: $(HOST_OUT)/%: examples-c/%.c $(HOST_OUT)/libraftcore_host.a $(C_OUT)/libraftcore.a $(HOST_HDR)
	$(HOST_CC) -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -Werror -Iinclude $(filter %.c %.a,$^) $(HOST_LIBS) $(C_LIBS) -o $@

$(HOST_OUT)/rh-log: bindings/c/tools/rh_log.c $(HOST_OUT)/libraftcore_host.a $(HOST_HDR)
	$(HOST_CC) $(HOST_FLAGS) -O2 -Wconversion $(filter %.c %.a,$^) -lpthread -o $@

# The library and the conformance suite under AddressSanitizer and UndefinedBehaviorSanitizer.
$(HOST_OUT)/asan/%.o: bindings/c/%.c $(HOST_HDR) mk/host.mk
	$(HOST_CC) $(HOST_SANE) -c $< -o $@

HOST_ASAN_ALL   := $(HOST_SRC:bindings/c/%.c=$(HOST_OUT)/asan/%.o)
# Without the driver and above, which need the core, and without the transport.
HOST_ASAN       := $(filter-out $(HOST_OUT)/asan/driver% $(HOST_OUT)/asan/host% $(HOST_OUT)/asan/net%,$(HOST_ASAN_ALL))
HOST_ASAN_CHECK := $(HOST_CHECK:bindings/c/%.c=$(HOST_OUT)/asan/%.o)
.SECONDARY: $(HOST_ASAN_ALL) $(HOST_ASAN_CHECK)

$(HOST_OUT)/test/%: tests/host/%.c $(HOST_ASAN) $(HOST_ASAN_CHECK) $(HOST_HDR)
	$(HOST_CC) $(HOST_SANE) $(filter %.c %.o,$^) -lpthread -o $@

# disk.c replaces calls of the C library: only for those programs that want it.
$(HOST_OUT)/test/wire: tests/host/wire.c $(HOST_ASAN) $(HOST_HDR)
	$(HOST_CC) $(HOST_SANE) $(filter %.c %.o,$^) -lpthread -o $@

# These let allocations fail: tests/host/heap.h.
$(HOST_OUT)/test/log_file $(HOST_OUT)/test/snapshot: $(HOST_OUT)/test/%: tests/host/%.c $(HOST_ASAN) $(HOST_ASAN_CHECK) $(HOST_HDR)
	$(HOST_CC) $(HOST_SANE) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc $(filter %.c %.o,$^) -lpthread -o $@

$(HOST_OUT)/test/one_file_check: $(HOST_ONE) $(HOST_ASAN) $(HOST_ASAN_CHECK) $(HOST_HDR)
	$(HOST_CC) $(HOST_SANE) $(filter %.c %.o,$^) -lpthread -o $@

HOST_NET := $(filter $(HOST_OUT)/asan/net%,$(HOST_ASAN_ALL)) $(HOST_ASAN)
$(HOST_OUT)/test/net_%: tests/host/net_%.c $(HOST_NET) $(HOST_HDR)
	$(HOST_CC) $(HOST_SANE) $(filter %.c %.o,$^) $(HOST_LIBS) -o $@

# The transport and its file thread under ThreadSanitizer.
$(HOST_OUT)/test/net_threads: tests/host/net_bulk.c $(HOST_NET:$(HOST_OUT)/asan/%.o=bindings/c/%.c) $(HOST_HDR) mk/host.mk
	$(HOST_CC) $(HOST_FLAGS) -DBIG_MIB=8 -O1 -fsanitize=thread $(filter %.c,$^) $(HOST_LIBS) -o $@

$(HOST_OUT)/test/net_heap: tests/host/net_heap.c $(HOST_NET) $(HOST_HDR)
	$(HOST_CC) $(HOST_SANE) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc $(filter %.c %.o,$^) $(HOST_LIBS) -o $@

# The driver needs the core.
HOST_CORE := $(C_OUT)/libraftcore.a
HOST_SIM  := tests/host/driver_sim.c $(wildcard tests/host/sim_*.c)

$(HOST_OUT)/test/driver_sim: $(HOST_SIM) $(HOST_ASAN_ALL) $(HOST_HDR) $(HOST_CORE)
	$(HOST_CC) $(HOST_SANE) $(filter %.c %.o,$^) $(HOST_CORE) $(C_LIBS) $(HOST_LIBS) -o $@

# A disk that fails, below the whole library.
$(HOST_OUT)/test/host_faults $(HOST_OUT)/test/host_power: $(HOST_OUT)/test/%: tests/host/%.c $(HOST_ASAN_ALL) $(HOST_ASAN_CHECK) $(HOST_HDR) $(HOST_CORE)
	$(HOST_CC) $(HOST_SANE) $(filter %.c %.o,$^) $(HOST_CORE) $(C_LIBS) $(HOST_LIBS) -o $@

$(HOST_OUT)/test/host_tls $(HOST_OUT)/test/host_moved $(HOST_OUT)/test/host_command $(HOST_OUT)/test/host_stall $(HOST_OUT)/test/host_starts: $(HOST_OUT)/test/%: tests/host/%.c $(HOST_ASAN_ALL) $(HOST_HDR) $(HOST_CORE)
	$(HOST_CC) $(HOST_SANE) $(filter %.c %.o,$^) $(HOST_CORE) $(C_LIBS) $(HOST_LIBS) -o $@

# Allocations that fail, of the whole library with the core.
$(HOST_OUT)/test/host_heap: tests/host/host_heap.c $(HOST_ASAN_ALL) $(HOST_HDR) $(HOST_CORE)
	$(HOST_CC) $(HOST_SANE) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc $(filter %.c %.o,$^) $(HOST_CORE) $(C_LIBS) $(HOST_LIBS) -o $@

# The whole library under ThreadSanitizer.
$(HOST_OUT)/tsan/%.o: bindings/c/%.c $(HOST_HDR) mk/host.mk
	$(HOST_CC) $(HOST_FLAGS) -O1 -fsanitize=thread -c $< -o $@

HOST_TSAN := $(HOST_SRC:bindings/c/%.c=$(HOST_OUT)/tsan/%.o)
.SECONDARY: $(HOST_TSAN)

$(HOST_OUT)/test/host_threads $(HOST_OUT)/test/host_backup: $(HOST_OUT)/test/%: tests/host/%.c $(HOST_TSAN) $(HOST_HDR) $(HOST_CORE)
	$(HOST_CC) $(HOST_FLAGS) -O1 -fsanitize=thread $(filter %.c %.o,$^) $(HOST_CORE) $(HOST_LIBS) $(C_LIBS) -o $@

HOST_LOW := $(HOST_ASAN:$(HOST_OUT)/asan/%.o=bindings/c/%.c)

$(HOST_OUT)/test/threads: tests/host/threads.c $(HOST_LOW) $(HOST_HDR) mk/host.mk
	$(HOST_CC) $(HOST_FLAGS) -O1 -fsanitize=thread $(filter %.c,$^) -lpthread -o $@

$(HOST_OUT)/bench-log: tests/host/bench.c $(HOST_OUT)/libraftcore_host.a $(HOST_HDR)
	$(HOST_CC) $(HOST_FLAGS) -O2 $(filter %.c %.a,$^) -lpthread -o $@

# The face for C++, by both compilers: the oldest standard by one, the newer one by the other. As C, with -Wshadow.
HOST_CPP        = $(HPP_SANE) -Wshadow
HOST_CPP_HDR   := $(wildcard include/raftcore/*.hpp) include/raftcore_host.h include/raftcore.h
HOST_CPP_NAMES := smallest scores host_cpp
HOST_CPP_CLANG  = $(if $(HPP_HAS_CLANG),$(HOST_CPP_NAMES:%=$(HOST_OUT)/clang/%))

$(HOST_OUT)/gcc/smallest $(HOST_OUT)/clang/smallest: examples-c/smallest.cpp
$(HOST_OUT)/gcc/scores $(HOST_OUT)/clang/scores: examples-c/scores.cpp
$(HOST_OUT)/gcc/host_cpp $(HOST_OUT)/clang/host_cpp: tests/host/host_cpp.cpp

$(HOST_CPP_NAMES:%=$(HOST_OUT)/gcc/%): $(HOST_CPP_HDR) $(HOST_OUT)/libraftcore_host.a $(HOST_CORE)
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(HOST_CPP) $(filter %.cpp,$^) $(filter %.a,$^) $(HOST_LIBS) $(C_LIBS) -o $@

$(HOST_CPP_NAMES:%=$(HOST_OUT)/clang/%): $(HOST_CPP_HDR) $(HOST_OUT)/libraftcore_host.a $(HOST_CORE)
	@mkdir -p $(@D)
	$(HPP_CLANG) -std=c++20 $(HOST_CPP) $(filter %.cpp,$^) $(filter %.a,$^) $(HOST_LIBS) $(C_LIBS) -o $@

.PHONY: host host-cpp counter store host-test host-valgrind host-mutants bench-log

host: $(HOST_OUT)/libraftcore_host.a $(HOST_OUT)/libraftcore_host.so $(HOST_OUT)/rh-log  ## the host library for C, bindings/c, static and shared, and rh-log
counter: $(HOST_OUT)/counter  ## examples-c/counter.c, a replicated counter on the host library
store: $(HOST_OUT)/store  ## examples-c/store.c, a replicated key-value store on the host library
host-cpp: $(HOST_CPP_NAMES:%=$(HOST_OUT)/gcc/%)
ifeq ($(CI),true)
	@test -n '$(HPP_HAS_CLANG)' || { echo 'host-cpp needs clang++: apt-get install clang libclang-rt-dev'; exit 1; }
endif
	@$(if $(HPP_HAS_CLANG),$(MAKE) $(HOST_CPP_CLANG),echo 'skipped: clang++ (apt-get install clang libclang-rt-dev)')
host-test: host host-cpp counter store $(HOST_OUT)/smallest $(HOST_TESTS:%=$(HOST_OUT)/test/%)  ## the wire's vectors, the file log under power cuts, damage and failing calls
	tests/wire/vectors.py
	tests/host/run $(HOST_OUT) $(HOST_TESTS)
host-valgrind: $(HOST_OUT)/smallest  ## a host under valgrind: founded, closed, started again
	tests/host/valgrind $<
host-mutants:  ## faults planted in the file log: which does the conformance suite not notice?
	tests/host/mutants.py
bench-log: $(HOST_OUT)/bench-log  ## the file log's flushes against the disk's own; BENCH_DIR=… on another disk
	$< $(or $(BENCH_DIR),$(HOST_OUT)/bench) $(BENCH_SECONDS)
