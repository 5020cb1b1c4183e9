# The Go host, bindings/go: the library in its folder, and its tests.

GO_LIB := bindings/go/target

.PHONY: go-lib go-test

# The checksum is a string in the package's object, so that Go's build cache sees a new archive: it links again what has changed, and looks
# neither at archives nor at what a header's comment says.
# In `#cgo` lines Go takes a path with blanks, but not with any character.
go-lib: target/c/libraftcore.a  ## put the library where the Go package links it from: bindings/go/target
	@unfit=$$(printf %s "$$PWD" | tr -d 'A-Za-z0-9_+.,/=:$$@%! ~^\200-\377-'); test -z "$$unfit" || \
	    { echo "go cannot link from a folder with $$unfit in its path: $$PWD"; exit 1; }
	@mkdir -p $(GO_LIB)/include
	cp include/raftcore.h $(GO_LIB)/include/raftcore.h
	cp $< $(GO_LIB)/libraftcore.a
	@cat $< include/raftcore.h | cksum | sed 's|.*|static const char raftcore_lib_stamp[] __attribute__((used)) = "&";|' > bindings/go/lib_stamp.h

# The binding's tests plain, and with every checker that Go has; linked fully static; and against what pkg-config says, which is here
# the same archive, found from the file's own place. Then the example: three processes, killed with -9.
GO_MODULE := cd bindings/go && $(GO)
GO_PC     := target/go/raftcore.pc

$(GO_PC): mk/go.mk
	@mkdir -p $(@D)
	@printf '%s\n' 'Name: raftcore' 'Description: Raft core' 'Version: 0' 'Cflags: -I$${pcfiledir}/../../include' \
	    'Libs: $${pcfiledir}/../c/libraftcore.a $(C_LIBS)' > $@

go-test: go-lib $(GO_PC)  ## the Go package and its example: plain, -race, -asan, cgocheck2, fully static, and a system library
	cd bindings/go && test -z "$$(gofmt -l .)"
	$(GO_MODULE) vet ./...
	$(GO_MODULE) test -count=1 ./...
	$(GO_MODULE) test -count=1 -race ./...
	$(GO_MODULE) test -count=1 -asan ./...
	cd bindings/go && GOEXPERIMENT=cgocheck2 $(GO) test -count=1 ./...
	$(GO_MODULE) test -count=1 -ldflags '-extldflags "-static"' ./...
	export PKG_CONFIG_PATH="$$PWD/$(dir $(GO_PC))"; cd bindings/go && $(GO) test -count=1 -tags raftcore_system ./...
	cd bindings/go/examples/kv && $(GO) vet ./... && $(GO) test -count=1 ./...
