# The library for C, its header, and what is built with both. Everything goes under target/c.
#
# The archive is prelinked: one object that exports raftcore_* and nothing else. So it is small, and can stand in one program beside
# another Rust library, whatever compiler that came from. What the steps are for:
#   cargo rustc --crate-type staticlib   the only way to whole-program optimisation beside `lib` (a crate-type in Cargo.toml gets none)
#   mk/built                             asks cargo, each time, and copies the archive that cargo names
#   --force-group-allocation             dissolves COMDAT groups; else a second library's unwind tables end up pointing at nothing, and
#                                        the first caught panic is a crash
#   --remove-section=.llvmbc             before ar, which else may load LLVM's plugin and fail on it

# For another machine, Rust's name of it and its C compiler, which knows its other tools:
#
#   make build CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu CC=aarch64-linux-gnu-gcc

C_TOOL   = $(or $(shell $(CC) -print-prog-name=$(1)),$(1))
OBJCOPY ?= $(call C_TOOL,objcopy)
ifeq ($(origin LD),default)
LD = $(call C_TOOL,ld)
endif
ifeq ($(origin AR),default)
AR = $(call C_TOOL,ar)
endif

C_OUT   := target/c
C_CARGO := $(C_OUT)/cargo
C_LIBS  := -lm -lpthread -ldl
C_WARN  := -Wall -Wextra -Werror
C_FLAGS := -O1 -g $(C_WARN) -Iinclude

# The version before 1.0 is major.minor: each minor one may break the ABI.
C_SONAME := libraftcore.so.$(shell sed -n 's/^version = "\([0-9]*\.[0-9]*\)\..*/\1/p' Cargo.toml)
# What is exported: each function that src/ffi declares so.
C_EXPORTS = $(shell sed -n 's/^pub .*extern "C" fn \(raftcore_[a-z_]*\).*/\1/p' $(wildcard src/ffi/*.rs))

# C_BUILT PLACE, then options: the archive that cargo makes. Cargo decides if there is anything to be done, so it is asked each time.
C_RUSTC = $(CARGO) rustc --quiet --message-format=json-render-diagnostics --crate-type staticlib
C_BUILT = mk/built $(1) libraftcore.a $(C_RUSTC) --target-dir $(C_CARGO) --features heap

.PHONY: ask-cargo

# prelink ARCHIVE OBJECT EXPORTS
define C_PRELINK
	@echo 'prelink: $(words $(3)) functions'
	@rm -f $(2)
	@$(LD) -r --force-group-allocation $(addprefix -u ,$(3)) $(1) -o $(2).tmp || { echo '$(LD) cannot link what cargo built.' \
	    'If this is for another machine, name its C compiler: make CC=aarch64-linux-gnu-gcc; LD, AR, OBJCOPY, if they are apart.'; exit 1; }
	@$(OBJCOPY) --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd \
	    --wildcard --keep-global-symbol='raftcore_*' $(2).tmp $(2)
	@rm $(2).tmp
endef

$(C_OUT)/rust.a: ask-cargo
	$(call C_BUILT,$@) --release

$(C_OUT)/raftcore.o: $(C_OUT)/rust.a mk/c.mk
	$(call C_PRELINK,$<,$@,$(C_EXPORTS))

$(C_OUT)/libraftcore.a: $(C_OUT)/raftcore.o
	@rm -f $@
	$(AR) crs $@ $<

# Linked by the C compiler and not by rustc, whose own version script leaves no room for ours.
$(C_OUT)/libraftcore.so: $(C_OUT)/raftcore.o
	@printf 'RAFTCORE_1 { global: raftcore_*; local: *; };\n' > $(C_OUT)/raftcore.map
	$(CC) -shared -o $(C_OUT)/$(C_SONAME) $< -Wl,-soname,$(C_SONAME) -Wl,--version-script=$(C_OUT)/raftcore.map \
	    -Wl,-z,relro,-z,now -Wl,--no-undefined -Wl,-s $(C_LIBS) -lgcc_s
	@ln -sf $(C_SONAME) $@

# ---- the header

# build.rs writes it with the feature `header`, in a target directory of its own, since it needs cbindgen and the library does not.
# Cargo says in which folder.
C_HEADER := target/header

$(C_OUT)/raftcore.h: $(wildcard src/ffi/*.rs mk/header/*) build.rs cbindgen.toml Cargo.toml Cargo.lock
	@mkdir -p $(C_OUT) $(C_HEADER)
	$(CARGO) check --quiet --lib --features header --target-dir $(C_HEADER) --message-format json-render-diagnostics \
	    > $(C_HEADER)/messages
	cp "$$(sed -n '/"package_id":"path+file/s/.*"out_dir":"\([^"]*\)".*/\1/p' $(C_HEADER)/messages)/raftcore.h" $@

header: $(C_OUT)/raftcore.h
	cp $< include/raftcore.h

check-header: $(C_OUT)/raftcore.h
	diff -u include/raftcore.h $<

# ---- programs

$(C_OUT)/minimal: examples-c/minimal.c include/raftcore.h $(C_OUT)/libraftcore.a
	$(CC) -std=c99 -pedantic $(C_FLAGS) $< $(C_OUT)/libraftcore.a $(C_LIBS) -o $@

minimal: $(C_OUT)/minimal
	$<

# Each tests/c/*.c is a program that answers 0 if all is well; kit.h is what they share. Some have rules of their own.
C_HEAP   := alloc hot_path memory set_heap
C_TESTS  := $(filter-out $(C_HEAP) panic,$(patsubst tests/c/%.c,%,$(wildcard tests/c/*.c)))
C_NEEDS  := $(wildcard tests/c/*.h) include/raftcore.h
# The heap calls that these count or let fail: see tests/c/heap.h.
C_WRAP   := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=posix_memalign,--wrap=aligned_alloc,--wrap=free

$(C_OUT)/test/%: tests/c/%.c $(C_NEEDS) $(C_OUT)/libraftcore.a
	@mkdir -p $(@D)
	$(CC) -std=c11 $(C_FLAGS) $< $(C_OUT)/libraftcore.a $(C_LIBS) -o $@

$(C_HEAP:%=$(C_OUT)/test/%): $(C_OUT)/test/%: tests/c/%.c $(C_NEEDS) $(C_OUT)/libraftcore.a
	@mkdir -p $(@D)
	$(CC) -std=c11 $(C_FLAGS) $(C_WRAP) $< $(C_OUT)/libraftcore.a $(C_LIBS) -o $@

# It includes the program.
$(C_OUT)/test/printed_loop $(C_OUT)/asan/printed_loop: examples-c/minimal.c

# Linked as the archive is, of a core that may panic: one of the planted faults does.
$(C_OUT)/panic/raftcore.o: $(C_OUT)/libraftcore_faults.a mk/c.mk
	@mkdir -p $(@D)
	$(call C_PRELINK,$<,$@,$(C_EXPORTS))

$(C_OUT)/test/panic: tests/c/panic.c $(C_NEEDS) $(C_OUT)/panic/raftcore.o
	@mkdir -p $(@D)
	$(CC) -std=c11 $(C_FLAGS) $< $(C_OUT)/panic/raftcore.o $(C_LIBS) -o $@

# The same program against the shared library.
$(C_OUT)/test/cluster-so: tests/c/cluster.c $(C_NEEDS) $(C_OUT)/libraftcore.so
	@mkdir -p $(@D)
	$(CC) -std=c11 $(C_FLAGS) $< -L$(C_OUT) -lraftcore -Wl,-rpath,'$$ORIGIN/..' -o $@

# What a page must stand: C99 to C23's ancestors, C++11 to 20, padding, conversions, and 32 bits (without a C library).
.PHONY: ctest-header ctest-exports
ctest-header:
	tests/c/layout.sh include/raftcore.h tests/c/layout.c src/ffi/layout.rs
	for std in c99 c11 c17; do \
	    $(CC) -std=$$std $(C_WARN) -pedantic -Wpadded -Wconversion -Iinclude -fsyntax-only -x c tests/c/layout.c || exit 1; \
	done
	for std in c++11 c++17 c++20; do \
	    $(CXX) -std=$$std $(C_WARN) -pedantic -Wpadded -Wconversion -Iinclude -fsyntax-only -x c++ tests/c/layout.c || exit 1; \
	done
	$(CC) -m32 -ffreestanding -std=c11 $(C_WARN) -pedantic -Wpadded -Iinclude -fsyntax-only -x c tests/c/layout.c

ctest-exports: $(C_OUT)/libraftcore.a $(C_OUT)/libraftcore.so
	tests/c/exports.sh include/raftcore.h $^

# Bytes of a node, and the table of docs/footprint.md.
.PHONY: ctest-memory
ctest-memory: $(C_OUT)/test/memory
	$< > $(C_OUT)/memory.md
	mk/held docs/footprint.md memory 5 < $(C_OUT)/memory.md

ctest: ctest-header ctest-exports ctest-memory $(C_TESTS:%=$(C_OUT)/test/%) $(C_OUT)/test/alloc $(C_OUT)/test/hot_path $(C_OUT)/test/set_heap $(C_OUT)/test/panic $(C_OUT)/test/cluster-so minimal
	for test in $(filter $(C_OUT)/test/%,$^); do echo "$$test"; $$test || exit 1; done

# The library with AddressSanitizer in its Rust code, too; RUSTC_BOOTSTRAP opens the flag on the stable compiler. With a target named,
# cargo keeps the flags from build scripts.
C_HOST = $(shell rustc -vV | sed -n 's/^host: //p')

$(C_OUT)/asan/libraftcore.a: ask-cargo
	RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=address -Cdebug-assertions=on' \
	    $(call C_BUILT,$@) --release --target $(C_HOST) --config profile.release.lto=false

# The programs with a malloc of their own stay out of this.
$(C_OUT)/asan/%: tests/c/%.c $(C_NEEDS) $(C_OUT)/asan/libraftcore.a
	$(CC) -std=c11 $(C_FLAGS) -fsanitize=address $< $(C_OUT)/asan/libraftcore.a $(C_LIBS) -o $@

ctest-asan: $(C_TESTS:%=$(C_OUT)/asan/%)
	for test in $^; do echo "$$test"; $$test || exit 1; done

ctest-valgrind: $(C_TESTS:%=$(C_OUT)/test/%)
	for test in $^; do echo "$$test"; valgrind -q --error-exitcode=9 --leak-check=full --fair-sched=yes $$test || exit 1; done
