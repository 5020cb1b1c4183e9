# The Go host, bindings/go: the library in its folder, and its tests.

GO_LIB     := bindings/go/lib
GO_ARCHIVE  = $(GO_LIB)/libraftcore_$(shell $(GO) env GOOS)_$(shell $(GO) env GOARCH).a

.PHONY: go-lib go-test

# The checksum is a string in the package's object, so that Go's build cache sees a new archive: it links again what has changed, and looks
# neither at archives nor at what a header's comment says.
# In `#cgo` lines Go takes a path with blanks, but not with any character.
go-lib: target/c/libraftcore.a  ## put the library where the Go package links it from: bindings/go/lib
	@unfit=$$(printf %s "$$PWD" | tr -d 'A-Za-z0-9_+.,/=:$$@%! ~^\200-\377-'); test -z "$$unfit" || \
	    { echo "go cannot link from a folder with $$unfit in its path: $$PWD"; exit 1; }
	cp include/raftcore.h $(GO_LIB)/raftcore.h
	cp $< $(GO_ARCHIVE)
	@cat $< include/raftcore.h | cksum | sed 's|.*|static const char raftcore_lib_stamp[] __attribute__((used)) = "&";|' > $(GO_LIB)/lib_stamp.h

# The binding's tests plain, and with every checker that Go has; linked fully static; and against an installed library, shared and static.
# Then the example: three processes, killed with -9.
GO_MODULE    := cd bindings/go && $(GO)
GO_INSTALLED := target/go/installed
GO_BARE      := target/go/bare

go-test: go-lib go-without  ## the Go package and its example: plain, -race, -asan, cgocheck2, fully static, an installed library
	cd bindings/go && test -z "$$(gofmt -l .)"
	$(GO_MODULE) vet ./...
	$(GO_MODULE) test -count=1 ./...
	$(GO_MODULE) test -count=1 -race ./...
	$(GO_MODULE) test -count=1 -asan ./...
	cd bindings/go && GOEXPERIMENT=cgocheck2 $(GO) test -count=1 ./...
	$(GO_MODULE) test -count=1 -ldflags '-extldflags "-static"' ./...
	$(MAKE) -s install PREFIX="$$PWD/$(GO_INSTALLED)"
	export PKG_CONFIG_PATH="$$PWD/$(GO_INSTALLED)/lib/pkgconfig" LD_LIBRARY_PATH="$$PWD/$(GO_INSTALLED)/lib"; cd bindings/go && \
	    $(GO) test -count=1 -tags raftcore_system ./... && $(GO) test -count=1 -tags raftcore_static ./...
	cd bindings/go/examples/kv && $(GO) vet ./... && $(GO) test -count=1 ./...

# Without the library, without its archive, and without cgo: each build fails with a sentence that says what to do.
.PHONY: go-without
go-without: go-lib
	@rm -rf $(GO_BARE) && mkdir -p $(GO_BARE)
	@cp bindings/go/*.go bindings/go/*.h bindings/go/go.mod $(GO_BARE) && mkdir $(GO_BARE)/lib && cp $(GO_LIB)/*.go $(GO_BARE)/lib
	cd $(GO_BARE) && $(GO) build . 2>&1 | grep 'error.*run `make go-lib`'
	cp $(GO_LIB)/*.h $(GO_BARE)/lib && cd $(GO_BARE) && $(GO) build . 2>&1 | grep 'error.*run `make go-lib`.*raftcore_static'
	cd $(GO_BARE) && CGO_ENABLED=0 $(GO) build . 2>&1 | grep 'raftcore needs cgo'
