# The C++ header, include/raftcore.hpp: its example, and its tests, by g++ and clang++. Everything goes under target/hpp.

HPP_OUT   := target/hpp
HPP_HDR   := $(wildcard include/*.hpp include/raftcore/*.hpp tests/hpp/*.hpp) include/raftcore.h include/raftcore_host.h
HPP_WARN  := -Wall -Wextra -Wpedantic -Wconversion -Werror -fno-exceptions -fno-rtti
HPP_FLAGS := -g $(HPP_WARN) -Iinclude
HPP_SANE  := $(HPP_FLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all
HPP_TESTS := $(patsubst tests/hpp/%.cpp,%,$(wildcard tests/hpp/*.cpp))
HPP_CLANG ?= clang++
HPP_PROGRAMS := $(HPP_TESTS) minimal
# clang++ with the run-time of its sanitizers, or nothing.
HPP_HAS_CLANG = $(shell printf 'int main(){}' | $(HPP_CLANG) -fsanitize=address -x c++ - -o /dev/null 2>/dev/null && echo yes)

.PHONY: hpp-test hpp-gcc hpp-clang minimal-cpp

$(HPP_OUT)/gcc/minimal $(HPP_OUT)/clang/minimal: examples-c/minimal.cpp
$(foreach test,$(HPP_TESTS),$(eval $(HPP_OUT)/gcc/$(test) $(HPP_OUT)/clang/$(test): tests/hpp/$(test).cpp))

# The oldest standard by one compiler, the newer one by the other.
$(HPP_PROGRAMS:%=$(HPP_OUT)/gcc/%): $(HPP_HDR) $(C_OUT)/libraftcore.a mk/hpp.mk
	@mkdir -p $(@D)
	$(CXX) -std=c++17 $(HPP_SANE) $(filter %.cpp,$^) $(filter %.a,$^) $(C_LIBS) -o $@

$(HPP_PROGRAMS:%=$(HPP_OUT)/clang/%): $(HPP_HDR) $(C_OUT)/libraftcore.a mk/hpp.mk
	@mkdir -p $(@D)
	$(HPP_CLANG) -std=c++20 $(HPP_SANE) $(filter %.cpp,$^) $(filter %.a,$^) $(C_LIBS) -o $@

minimal-cpp: $(HPP_OUT)/gcc/minimal  ## build and run examples-c/minimal.cpp: the same in C++
	$<

hpp-gcc: $(HPP_PROGRAMS:%=$(HPP_OUT)/gcc/%)
	for test in $^; do echo "$$test"; $$test || exit 1; done

hpp-clang: $(HPP_PROGRAMS:%=$(HPP_OUT)/clang/%)
	for test in $^; do echo "$$test"; $$test || exit 1; done

hpp-test: hpp-gcc  ## the C++ header by g++ and clang++, under ASan and UBSan
	for name in $$(grep -oE '^#define RAFTCORE_(E|ENTRY|ROLE|STORAGE|DIALECT|HELLO|FLAG|RF|MF|HAS|MSG|DROP|FETCH|SUPPLY|SNAPSHOT|CHANGE|TRANSITION|FLOW|PF|EVENT|REASON)_[A-Z0-9_]+' include/raftcore.h | cut -c 9-); do \
	    grep -qw "$$name" include/raftcore/numbers.hpp || { echo "include/raftcore/numbers.hpp lacks $$name"; exit 1; }; \
	done
ifneq ($(HPP_HAS_CLANG),)
	$(MAKE) hpp-clang
else ifeq ($(CI),true)
	@echo 'hpp-test needs clang++: apt-get install clang libclang-rt-dev'; exit 1
else
	@echo 'skipped: clang++ (apt-get install clang libclang-rt-dev)'
endif
