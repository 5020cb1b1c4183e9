# The documentation site: MkDocs Material, Doxygen, rustdoc. The pages lie in docs/, all else in mk/docs.
#
#   make docs           target/site, with the references of C (Doxygen) and Rust (rustdoc)
#   make docs-test      builds the pages without a warning; links; each snippet is code that a test runs; each setting, event, code has a row
#   make docs-shots     a picture of each page at two widths, target/shots; says which pages are wider than the window

DOCS_TOOLS := target/tools/docs
SITE       := target/site

DOCS_SHOTS := target/tools/shots

.PHONY: docs docs-pages docs-test docs-shots

# Without a network it cannot be had: then docs-test says so, and CI fails.
$(DOCS_TOOLS)/done: mk/docs/requirements.txt
	@rm -rf $(DOCS_TOOLS) && $(PYTHON) -m venv $(DOCS_TOOLS)
	@if $(DOCS_TOOLS)/bin/pip install --quiet --disable-pip-version-check -r $<; then touch $@; \
	else test "$(CI)" != true && echo 'skipped: the pages: pip can fetch no MkDocs here'; fi

docs-pages: $(DOCS_TOOLS)/done target/c/libraftcore.so go-lib
	@test ! -e $(DOCS_TOOLS)/done || { export NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true; \
	    $(DOCS_TOOLS)/bin/mkdocs --quiet build --strict --config-file mk/docs/mkdocs.yml && \
	    $(DOCS_TOOLS)/bin/python mk/docs/links.py $(SITE); }

docs: docs-pages  ## the documentation site: target/site/index.html; needs doxygen
	mk/docs/references $(SITE)
	$(DOCS_TOOLS)/bin/python mk/docs/links.py $(SITE)
	@echo 'open target/site/index.html'

$(DOCS_SHOTS)/done: mk/docs/shots.txt
	@rm -rf $(DOCS_SHOTS) && $(PYTHON) -m venv $(DOCS_SHOTS)
	$(DOCS_SHOTS)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

docs-shots: docs $(DOCS_SHOTS)/done  ## a picture of each page of the site at two widths: target/shots; needs chromium
	$(DOCS_SHOTS)/bin/python mk/docs/shots $(SITE) target/shots

docs-test: docs-pages  ## the pages: no warning, no dead link, each snippet run by a test, a row for each setting, event and code
	$(PYTHON) mk/docs/complete.py
