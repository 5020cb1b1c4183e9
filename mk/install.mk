# What C and C++ developers get: header, libraries, pkg-config files, CMake package. The templates are in mk/install.
#
#   make install PREFIX=/usr DESTDIR=/a/package's/root LIBDIR=/usr/lib/x86_64-linux-gnu
#
# The folders may have blanks in their names. A `$` in a value is written `$$`, as ever in make.

PREFIX     ?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR     ?= $(PREFIX)/lib
DESTDIR    ?=

# Through the environment they reach the script whatever characters they have.
install-check install uninstall: export INSTALL_PREFIX     = $(PREFIX)
install-check install uninstall: export INSTALL_INCLUDEDIR = $(INCLUDEDIR)
install-check install uninstall: export INSTALL_LIBDIR     = $(LIBDIR)
install-check install uninstall: export INSTALL_DESTDIR    = $(DESTDIR)

INSTALL_VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
INSTALL_POINTER = $(shell echo __SIZEOF_POINTER__ | $(CC) -E -P - | tail -n 1)

.PHONY: install-check install uninstall install-test

install-check:
	@mk/install/run check

install: install-check target/c/libraftcore.a target/c/libraftcore.so  ## header, libraries, pkg-config and CMake files below PREFIX; DESTDIR for packages
	@VERSION=$(INSTALL_VERSION) SONAME=$(C_SONAME) POINTER=$(INSTALL_POINTER) LIBS='$(C_LIBS)' mk/install/run install

uninstall:
	@mk/install/run uninstall

install-test: target/c/libraftcore.a target/c/libraftcore.so  ## installs, and builds programs against it in every way
	tests/install/run
	tests/install/elsewhere
