# The Python binding: its tests against target/c/libraftcore.so, its types, and once more as a wheel in a clean environment.

PY       := bindings/python
PY_OUT   := target/python
# For the rest of a line. The checkout's path may have any characters: the shell puts it in, and make never sees it.
PY_ENV   := export PYTHONPATH="$$PWD/$(PY)/src" RAFTCORE_LIBRARY="$$PWD/target/c/libraftcore.so" PYTHONDONTWRITEBYTECODE=1
PY_TOOLS := target/tools/python

.PHONY: python-test python-types python-wheel python-bench

python-test: target/c/libraftcore.so python-types python-wheel  ## the Python binding: types, tests, and the wheel in a clean environment
	$(PY_ENV); cd $(PY) && $(PYTHON) -m unittest discover -s tests

# mypy in an environment of its own, in one version. Without a network it cannot be had: then this is skipped, but never by CI.
$(PY_TOOLS)/bin/mypy:
	@rm -rf $(PY_TOOLS) && $(PYTHON) -m venv $(PY_TOOLS)
	@$(PY_TOOLS)/bin/pip install --quiet --disable-pip-version-check mypy==1.18.2 || \
	    { test "$(CI)" != true && echo 'skipped: types of the Python binding: pip can fetch no mypy here'; }

python-types: target/c/libraftcore.so $(PY_TOOLS)/bin/mypy
	@test ! -x $(PY_TOOLS)/bin/mypy || { cd $(PY) && ../../$(PY_TOOLS)/bin/mypy --cache-dir=../../$(PY_OUT)/mypy && \
	    MYPYPATH=src ../../$(PY_TOOLS)/bin/mypy --strict --cache-dir=../../$(PY_OUT)/mypy ../../tests/faces/replay.py ../../benches/w1/w1.py; }

# What a user does: pip install, with cargo and without. It needs setuptools, which pip fetches.
python-wheel:
	@rm -rf $(PY_OUT)/clean && $(PYTHON) -m venv $(PY_OUT)/clean
	@if $(PY_OUT)/clean/bin/pip download --quiet --no-deps --dest $(PY_OUT)/have 'setuptools>=70.1' >/dev/null 2>&1; then \
	    CARGO=no-cargo $(PY_OUT)/clean/bin/pip install --disable-pip-version-check ./$(PY) 2>&1 | grep 'raftcore needs Rust .* no `no-cargo`' && \
	    $(PY_OUT)/clean/bin/pip install --quiet --disable-pip-version-check ./$(PY) && cd $(PY)/tests && \
	    env -u PYTHONPATH -u RAFTCORE_LIBRARY PYTHONDONTWRITEBYTECODE=1 ../../../$(PY_OUT)/clean/bin/python -m unittest test_node test_cluster; \
	else test "$(CI)" != true && echo 'skipped: the Python wheel: pip can fetch no setuptools here'; fi

python-bench: target/c/libraftcore.so  ## what a call from Python costs, and a committed entry
	$(PY_ENV); $(PYTHON) $(PY)/bench.py
