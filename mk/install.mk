# What C and C++ developers get: header, libraries, pkg-config files, CMake package. The templates are in mk/install.
#
#   make install PREFIX=/usr DESTDIR=/a/package's/root LIBDIR=/usr/lib/x86_64-linux-gnu
#
# The folders may have blanks in their names. A `$` in a value is written `$$`, as ever in make.

PREFIX     ?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR     ?= $(PREFIX)/lib
BINDIR     ?= $(PREFIX)/bin
DESTDIR    ?=

# Through the environment they reach the script whatever characters they have.
install-check install install-host uninstall: export INSTALL_PREFIX     = $(PREFIX)
install-check install install-host uninstall: export INSTALL_INCLUDEDIR = $(INCLUDEDIR)
install-check install install-host uninstall: export INSTALL_LIBDIR     = $(LIBDIR)
install-check install install-host uninstall: export INSTALL_BINDIR     = $(BINDIR)
install-check install install-host uninstall: export INSTALL_DESTDIR    = $(DESTDIR)

INSTALL_VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
INSTALL_POINTER = $(shell echo __SIZEOF_POINTER__ | $(CC) -E -P - | tail -n 1)

.PHONY: install-check install install-host uninstall install-test

install-check:
	@mk/install/run check

install: install-check target/c/libraftcore.a target/c/libraftcore.so  ## header, libraries, pkg-config and CMake files below PREFIX; DESTDIR for packages
	@VERSION=$(INSTALL_VERSION) SONAME=$(C_SONAME) POINTER=$(INSTALL_POINTER) LIBS='$(C_LIBS)' mk/install/run install

install-host: install host  ## also the host library for C: raftcore_host.h, libraftcore_host, pkg-config raftcore-host, rh-log
	@VERSION=$(INSTALL_VERSION) SONAME=$(HOST_SONAME) POINTER=$(INSTALL_POINTER) LIBS='$(HOST_LIBS)' \
	    HEADERS='result log log_file dir snapshot wire' mk/install/run install-host

uninstall:
	@mk/install/run uninstall

install-test: target/c/libraftcore.a target/c/libraftcore.so  ## installs, and builds programs against it in every way
	tests/install/run
	tests/install/elsewhere
