# raftcore.aio, the host in the Python binding, and its tests.
#
#   make python-host-test              wire, disk, groups, the examples killed with -9, each command of docs/python.md; under a minute
#                                      ONLY=crowd runs the tests with that word in their names; each test has a time limit
#   make python-host-versions          the same on each Python of PYTHONS, without the page
#   make bench-python-host             beside PySyncObj, three members each, in one run
#                                      BENCH_DIR=… on another disk, BENCH_SECONDS=… for each measurement, BENCH_ROUNDS=…

PY_HOST_BENCH := target/bench/python-host
PY_HOST_VENV  := target/tools/python-host

# A process killed with -9 loses nothing that it wrote, so the data of the tests need no disk.
PY_HOST_TEST   = $(PY_ENV); export TMPDIR=$(firstword $(wildcard /dev/shm /tmp)); cd $(PY)
PYTHONS       ?= $(wildcard $(HOME)/.pyenv/versions/3.9.*/bin/python $(HOME)/.pyenv/versions/3.1*/bin/python)

.PHONY: python-host-test python-host-versions bench-python-host

python-host-test: target/c/libraftcore.so  ## raftcore.aio: wire vectors, disk, groups, TLS; its examples as processes, killed with -9; docs/python.md
	@mkdir -p target/stages
	@$(PY_HOST_TEST); log="$$OLDPWD/target/stages/python-page.log"; run="$(PYTHON) -m unittest discover -s tests/aio"; \
	    if [ -n "$(ONLY)" ]; then exec $$run -k "$(ONLY)"; fi; \
	    $$run -p test_page.py >"$$log" 2>&1 & \
	    $$run -p 'test_[!p]*.py'; others=$$?; wait $$!; page=$$?; cat "$$log"; exit $$((others | page))

python-host-versions: target/c/libraftcore.so  ## the tests of raftcore.aio on each Python of PYTHONS
	$(PY_HOST_TEST) && for python in $(PYTHONS); do $$python --version && \
	    $$python -m unittest discover -s tests/aio -p 'test_[!p]*.py' || exit 1; done

bench-python-host: target/c/libraftcore.so $(PY_HOST_VENV)/bin/syncobj_admin  ## raftcore.aio beside PySyncObj: lines of a service, writes, reads
	@mkdir -p $(or $(BENCH_DIR),$(PY_HOST_BENCH))
	$(PY_ENV); export PYTHON="$$PWD/$(PY_HOST_VENV)/bin/python"; benches/python-host/services/check && dir=$$(mktemp -d "$(or $(BENCH_DIR),$(PY_HOST_BENCH))/XXXXXX") && \
	    { $$PYTHON benches/python-host/bench.py "$$dir" $(or $(BENCH_SECONDS),3) $(or $(BENCH_ROUNDS),3); code=$$?; rm -r "$$dir"; exit $$code; }

# In an environment of its own: users of raftcore.aio need nothing of it.
$(PY_HOST_VENV)/bin/syncobj_admin:
	@rm -rf $(PY_HOST_VENV) && $(PYTHON) -m venv $(PY_HOST_VENV)
	@$(PY_HOST_VENV)/bin/pip install --quiet --disable-pip-version-check pysyncobj==0.3.17
