# The targets of tests/fuzz under libFuzzer, with AddressSanitizer, and tests/c/fuzz.c at length. RUSTC_BOOTSTRAP opens the flags on the
# stable compiler; libFuzzer comes with the crate libfuzzer-sys. What is found stays in target/fuzz, with the command that repeats it.

FUZZ         := target/fuzz
FUZZ_TARGETS := decode step cluster boot supply
FUZZ_FLAGS   := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1

.PHONY: fuzz
fuzz: $(C_OUT)/ubsan/fuzz  ## the fuzz targets under libFuzzer, then the C ABI with sanitizers: SECONDS=60 for each, TARGETS='step boot'
	RUSTC_BOOTSTRAP=1 RUSTFLAGS='$(FUZZ_FLAGS)' $(CARGO) build --quiet --release --manifest-path fuzz/Cargo.toml \
	    --target-dir $(FUZZ)/cargo --target $(C_HOST)
	@for target in $(or $(TARGETS),$(FUZZ_TARGETS)); do \
	    mkdir -p $(FUZZ)/corpus/$$target; \
	    $(FUZZ)/cargo/$(C_HOST)/release/$$target -max_total_time=$(or $(SECONDS),60) -max_len=600 -print_final_stats=1 \
	        -artifact_prefix=$(FUZZ)/$$target- $(FUZZ)/corpus/$$target fuzz/corpus/$$target > $(FUZZ)/$$target.log 2>&1 \
	        || { grep -m1 -A3 panicked $(FUZZ)/$$target.log; tail -n 3 $(FUZZ)/$$target.log; exit 1; }; \
	    printf '%-10s %12s inputs, %s kept\n' $$target \
	        $$(sed -n 's/^stat::number_of_executed_units: *//p' $(FUZZ)/$$target.log) $$(ls $(FUZZ)/corpus/$$target | wc -l); \
	done
	ABI_CALLS=$$(($(or $(SECONDS),60) * 20000)) $<

# The library with AddressSanitizer, the C of the test with the sanitizer of undefined behaviour, too.
$(C_OUT)/ubsan/%: tests/c/%.c $(C_NEEDS) $(C_OUT)/asan/libraftcore.a
	@mkdir -p $(@D)
	$(CC) -std=c11 $(C_FLAGS) -fsanitize=address,undefined -fno-sanitize-recover=undefined $< $(C_OUT)/asan/libraftcore.a $(C_LIBS) -o $@
