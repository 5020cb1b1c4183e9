# One group with members on the host library for C, on the host for Go and on raftcore.aio, over sockets: tests/interop.
#
#   make interop-test                        groups founded on each, kills, snapshots across, faulty links; about a minute
#   INTEROP_SECONDS=600 make interop-test    ten minutes of kills and trouble; SEED=… repeats the choices
#   ONLY=founded-Python,tls make interop-test      some of the groups

INTEROP_OUT := target/interop

.PHONY: interop-test

interop-test: counter go-lib target/c/libraftcore.so  ## C, Go and Python members in one group: founding, joins, kills, snapshots across, faulty links, TLS
	@mkdir -p $(INTEROP_OUT)
	cd tests/interop && test -z "$$(gofmt -l .)" && $(GO) vet ./... && $(GO) build -o ../../$(INTEROP_OUT)/counter-go ./counter
	@rm -f $(INTEROP_OUT)/judge; cd tests/interop/judge && if $(GO) mod download; then \
	    test -z "$$(gofmt -l .)" && $(GO) vet . && $(GO) test . && $(GO) build -o ../../../$(INTEROP_OUT)/judge .; \
	else test "$(CI)" != true && echo 'skipped: the judge of histories: go can fetch no porcupine here'; fi
	$(PY_ENV); tests/interop/run $(HOST_OUT)/counter $(INTEROP_OUT)/counter-go $(INTEROP_OUT)/judge
