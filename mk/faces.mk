# One schedule of calls, replayed from Rust, C, Go and Python: tests/faces. A Rust test makes it and writes what Rust answers.

FACES_OUT := target/faces

.PHONY: faces

$(FACES_OUT)/replay: tests/faces/replay.c tests/faces/replay.h include/raftcore.h $(C_OUT)/libraftcore.a
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(C_FLAGS) $< $(C_OUT)/libraftcore.a $(C_LIBS) -o $@

faces: $(FACES_OUT)/replay $(C_OUT)/libraftcore.so go-lib  ## a fresh schedule from Rust, C, Go and Python: the same bytes; FACES_SEED=… repeats one
	$(CARGO) test --quiet --test faces -- --nocapture
	$(FACES_OUT)/replay $(FACES_OUT)/schedule.txt $(FACES_OUT)/c.txt $(FACES_OUT)/c.abi
	cd tests/faces/go && $(GO_SEES) $(GO) vet ./... && $(GO) run . $(addprefix ../../../$(FACES_OUT)/,schedule.txt go.txt go.abi)
	$(PY_ENV); $(PYTHON) tests/faces/replay.py $(FACES_OUT)/schedule.txt $(FACES_OUT)/python.txt $(FACES_OUT)/python.abi
	tests/faces/compare $(FACES_OUT)
