# What C and C++ developers get: header, libraries, pkg-config files, CMake package. The templates are in mk/install.
#
#   make install PREFIX=/usr DESTDIR=/a/package's/root LIBDIR=/usr/lib/x86_64-linux-gnu

PREFIX     ?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR     ?= $(PREFIX)/lib
DESTDIR    ?=

INSTALL_VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
INSTALL_INTO    = $(DESTDIR)$(LIBDIR)
# CMake's directory is below LIBDIR; from there the header is found wherever the tree is moved to.
INSTALL_FILL    = sed \
    -e 's|@PREFIX@|$(PREFIX)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)|' \
    -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' -e 's|@VERSION@|$(INSTALL_VERSION)|' \
    -e 's|@MINOR@|$(basename $(INSTALL_VERSION))|' -e 's|@SONAME@|$(C_SONAME)|' -e 's|@POINTER@|$(INSTALL_POINTER)|' \
    -e 's|@INCLUDE_FROM_CMAKE@|$(INSTALL_INCLUDE)|'
INSTALL_POINTER = $(shell echo __SIZEOF_POINTER__ | $(CC) -E -P - | tail -n 1)
INSTALL_INCLUDE = $(shell realpath -m --relative-to='$(LIBDIR)/cmake/raftcore' '$(INCLUDEDIR)')

.PHONY: install uninstall install-test

install: target/c/libraftcore.a target/c/libraftcore.so  ## header, libraries, pkg-config and CMake files below PREFIX; DESTDIR for packages
	install -d $(DESTDIR)$(INCLUDEDIR) $(INSTALL_INTO)/pkgconfig $(INSTALL_INTO)/cmake/raftcore
	install -m 644 include/raftcore.h $(DESTDIR)$(INCLUDEDIR)/raftcore.h
	install -m 644 target/c/libraftcore.a $(INSTALL_INTO)/libraftcore.a
	install -m 755 target/c/$(C_SONAME) $(INSTALL_INTO)/libraftcore.so.$(INSTALL_VERSION)
	ln -sf libraftcore.so.$(INSTALL_VERSION) $(INSTALL_INTO)/$(C_SONAME)
	ln -sf $(C_SONAME) $(INSTALL_INTO)/libraftcore.so
	@for name in raftcore raftcore-static; do \
	    $(INSTALL_FILL) -e 's|@LIBS@|$(C_LIBS)|' mk/install/$$name.pc.in > $(INSTALL_INTO)/pkgconfig/$$name.pc || exit 1; \
	done
	@for name in config config-version; do \
	    $(INSTALL_FILL) -e 's|@LIBS@|$(subst $(eval) ,;,$(C_LIBS:-l%=%))|' mk/install/raftcore-$$name.cmake.in \
	        > $(INSTALL_INTO)/cmake/raftcore/raftcore-$$name.cmake || exit 1; \
	done
	@chmod 644 $(INSTALL_INTO)/pkgconfig/raftcore*.pc $(INSTALL_INTO)/cmake/raftcore/*.cmake

uninstall:
	rm -f $(DESTDIR)$(INCLUDEDIR)/raftcore.h $(INSTALL_INTO)/libraftcore.a $(INSTALL_INTO)/libraftcore.so* \
	    $(INSTALL_INTO)/pkgconfig/raftcore.pc $(INSTALL_INTO)/pkgconfig/raftcore-static.pc
	rm -rf $(INSTALL_INTO)/cmake/raftcore

install-test: target/c/libraftcore.a target/c/libraftcore.so  ## installs, and builds programs against it in every way
	tests/install/run
