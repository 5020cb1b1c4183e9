# raftcore-redis, examples-c/redis, and its tests, tests/redis. Everything goes under target/redis.
#
#   SERVER=…        another server for the tests: a valkey-server, an older redis-server
#   SEED=…          repeats the choices of a history
#   PATIENCE=4      the tests wait so many times as long, for a busy machine

REDIS_OUT := target/redis
REDIS_RUN := tests/redis/run $(REDIS_OUT)

.PHONY: redis redis-asan redis-tsan redis-demo redis-test redis-verify redis-judges redis-mutants bench-redis

redis: $(HOST_OUT)/libraftcore_host.a $(C_OUT)/libraftcore.a  ## build raftcore-redis: an unmodified Redis or Valkey, replicated
	@$(MAKE) -C examples-c/redis
redis-asan: $(HOST_ASAN_ALL) $(C_OUT)/libraftcore.a  # the same under AddressSanitizer and UndefinedBehaviorSanitizer
	@rm -f $(HOST_OUT)/asan/host.a; ar crs $(HOST_OUT)/asan/host.a $(HOST_ASAN_ALL)
	@$(MAKE) -C examples-c/redis OUT=../../$(REDIS_OUT)/asan HOST=../../$(HOST_OUT)/asan/host.a \
	    CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'
redis-tsan: $(HOST_TSAN) $(C_OUT)/libraftcore.a  # the same under ThreadSanitizer
	@rm -f $(HOST_OUT)/tsan/host.a; ar crs $(HOST_OUT)/tsan/host.a $(HOST_TSAN)
	@$(MAKE) -C examples-c/redis OUT=../../$(REDIS_OUT)/tsan HOST=../../$(HOST_OUT)/tsan/host.a CFLAGS='-O1 -g -fsanitize=thread'
redis-demo: redis  ## three Redis servers, the leader killed with -9 under load, a fourth added: what was lost?
	@examples-c/redis/demo.py
redis-test: redis  ## raftcore-redis: a test for each trap of a replicated stream, TLS, a full disk, a history under kills
	$(REDIS_RUN) short
redis-judges: redis  ## redis-py's own tests through three members, beside plain Redis, Valkey and Redis 6.2
	$(REDIS_RUN) judges
redis-verify: redis redis-asan redis-tsan  ## the same for long: histories of minutes, the judges, the sanitizers
	$(REDIS_RUN) long
redis-mutants: redis  ## faults planted in raftcore-redis: does a test notice each?
	$(REDIS_RUN) mutants
bench-redis: redis $(REDIS_OUT)/wait_load  ## redis-benchmark through three members, beside plain, appendfsync always and WAIT 1
	$(REDIS_RUN) bench $(ROUNDS)

$(REDIS_OUT)/wait_load: tests/redis/wait_load.c
	@mkdir -p $(@D); echo 'cc $@'; $(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror $< -o $@
