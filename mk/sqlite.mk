# examples-c/sqlite: raftlite.so, SQLite replicated, and its tests, tests/sqlite. Everything goes under target/sqlite.
#
#   make sqlite-demo KILLS=100      a longer demo; SEED=… repeats its choices
#   make sqlite-verify              1,000 kills, each kill point, Django's suite: half an hour

SQLITE_OUT   := target/sqlite
SQLITE_SRC   := $(wildcard examples-c/sqlite/*.c)
SQLITE_HDR   := examples-c/sqlite/raftlite.h include/raftcore_host.h include/raftcore.h
SQLITE_FLAGS := -std=gnu11 -g $(HOST_WARN) -D_FILE_OFFSET_BITS=64 -fPIC -Iinclude
SQLITE_LIBS  := $(HOST_OUT)/libraftcore_host.a $(C_OUT)/libraftcore.a
# Linked into a program with all of the host library, for the sanitizers. LD_PRELOAD has no place there.
SQLITE_SANE   = $(filter-out %/preload.c,$(SQLITE_SRC)) tests/sqlite/threads.c $(HOST_SRC) $(C_OUT)/libraftcore.a $(HOST_LIBS) $(C_LIBS) -lsqlite3

SQLITE_HELP  := $(addprefix $(SQLITE_OUT)/,point.so power.so threads-tsan threads-asan)

.PHONY: sqlite sqlite-demo sqlite-test sqlite-verify sqlite-mutants bench-sqlite

# Only the extension's entry point and the functions that LD_PRELOAD replaces are exported.
$(SQLITE_OUT)/raftlite.so: $(SQLITE_SRC) $(SQLITE_HDR) $(SQLITE_LIBS) mk/sqlite.mk
	@mkdir -p $(@D)
	@printf '{ global: sqlite3_raftlite_init; sqlite3_open; sqlite3_open16; sqlite3_open_v2; local: *; };\n' > $(@D)/map
	@echo 'cc $@'; $(CC) $(SQLITE_FLAGS) -O2 -shared -Wl,--version-script=$(@D)/map -Wl,-z,relro,-z,now \
	    $(SQLITE_SRC) $(SQLITE_LIBS) $(HOST_LIBS) $(C_LIBS) -o $@

$(SQLITE_OUT)/point.so: tests/sqlite/point.c
	$(HOST_CC) -std=gnu11 -O1 -Wall -Wextra -Werror -shared -fPIC $< -ldl -o $@

# disk.c of the host library's conformance suite records. Its mmap stays out of the way: raftlite maps a page for readers.
$(SQLITE_OUT)/power.so: tests/sqlite/power.c $(addprefix bindings/c/check/,disk.c disk_calls.c image.c disk.h disk_parts.h)
	$(HOST_CC) $(HOST_FLAGS) -O1 -Dmmap=unused_mmap -Dmmap64=unused_mmap64 -shared -fPIC $(filter %.c,$^) -o $@

$(SQLITE_OUT)/threads-tsan: $(SQLITE_SRC) $(SQLITE_HDR) tests/sqlite/threads.c $(HOST_SRC) $(C_OUT)/libraftcore.a mk/sqlite.mk
	$(HOST_CC) $(HOST_FLAGS) -O1 -fsanitize=thread $(SQLITE_SANE) -o $@
$(SQLITE_OUT)/threads-asan: $(SQLITE_SRC) $(SQLITE_HDR) tests/sqlite/threads.c $(HOST_SRC) $(C_OUT)/libraftcore.a mk/sqlite.mk
	$(HOST_CC) $(HOST_SANE) $(SQLITE_SANE) -o $@

sqlite: $(SQLITE_OUT)/raftlite.so  ## raftlite.so: SQLite replicated, for programs that link libsqlite3; examples-c/sqlite
sqlite-demo: sqlite  ## a bank in three Python programs with sqlite3, the leading one killed with -9 again and again
	@python3 examples-c/sqlite/demo.py $(SQLITE_OUT)/raftlite.so
sqlite-test: sqlite $(SQLITE_HELP)  ## each end of a commit, each trap, 50 kills, kill points, CPython's sqlite3 tests
	tests/sqlite/run short
sqlite-verify: sqlite $(SQLITE_HELP)  ## 1,000 kills, each kill point, Django's tests
	tests/sqlite/run long
sqlite-mutants: sqlite $(SQLITE_OUT)/power.so  ## faults planted in raftlite.so, such as a sync left out: does a test notice each?
	@PYTHONDONTWRITEBYTECODE=1 python3 tests/sqlite/mutants.py $(SQLITE_OUT)/power.so
bench-sqlite: sqlite  ## transactions of one INSERT: three nodes beside stock SQLite on one, in one run
	@PYTHONDONTWRITEBYTECODE=1 python3 tests/sqlite/bench.py
