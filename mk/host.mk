# The host library for C, bindings/c, and its tests, tests/host. Everything goes under target/host.
#
#   HOST_TIMES=10 make host-test     ten times the random cases; SEED=… repeats a run

HOST_OUT   := target/host
HOST_SRC   := $(wildcard bindings/c/*.c)
HOST_HDR   := $(wildcard bindings/c/*.h tests/host/*.h) include/raftcore.h
HOST_FLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow -Wvla -D_FILE_OFFSET_BITS=64 -Iinclude -Ibindings/c
HOST_SANE  := $(HOST_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_TESTS := wire

$(HOST_OUT)/%.o: bindings/c/%.c $(HOST_HDR) mk/host.mk
	@mkdir -p $(@D)
	$(CC) $(HOST_FLAGS) -fPIC -Wconversion -c $< -o $@

$(HOST_OUT)/librh.a: $(HOST_SRC:bindings/c/%.c=$(HOST_OUT)/%.o)
	@rm -f $@
	ar crs $@ $^

# Tests run under AddressSanitizer and UndefinedBehaviorSanitizer, the library with them.
$(HOST_OUT)/asan/%.o: bindings/c/%.c $(HOST_HDR) mk/host.mk
	@mkdir -p $(@D)
	$(CC) $(HOST_SANE) -c $< -o $@

$(HOST_OUT)/test/%: tests/host/%.c $(HOST_SRC:bindings/c/%.c=$(HOST_OUT)/asan/%.o) $(HOST_HDR)
	@mkdir -p $(@D)
	$(CC) $(HOST_SANE) $(filter %.c %.o,$^) -lpthread -o $@

.PHONY: host host-test
.SECONDARY: $(HOST_SRC:bindings/c/%.c=$(HOST_OUT)/asan/%.o)

host: $(HOST_OUT)/librh.a  ## the host library for C, bindings/c, as far as it goes
host-test: host $(HOST_TESTS:%=$(HOST_OUT)/test/%)  ## the wire's vectors, the file log under power cuts and damage
	tests/wire/vectors.py
	for test in $(HOST_TESTS); do $(HOST_OUT)/test/$$test || exit 1; done
