# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV  := .venv
PY    := $(VENV)/bin/python
# One environment per requirements and Makefile: a change in either makes it anew.
STAMP := $(VENV)/.made-for-$(shell cat requirements.txt requirements-dev.txt | cksum | cut -d' ' -f1)
NODE  := tests/node/node_modules/.package-lock.json

.PHONY: help
help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: $(STAMP)  ## set up, export one simulated day to demo/, show it
	@$(PY) -m exporter demo

.PHONY: test
test: $(STAMP) $(NODE)  ## set up, run every test
	@$(PY) -m pytest $(ARGS)

.PHONY: check
check: $(STAMP)  ## format, lint and types
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

.PHONY: clean
clean:  ## remove what was set up here and what the demo wrote; never data/ or logs/
	rm -rf $(VENV) tests/node/node_modules demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build

# Candidates are run, not looked up: pyenv's shims exist on the PATH and fail.
$(STAMP): | .ci/find-python
	@python=$$(bash .ci/find-python)
	echo "Setting up $(VENV) with $$("$$python" --version) ..."
	rm -rf $(VENV)
	"$$python" -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

# Azurite for the tests against Blob Storage. Without node they are skipped with a reason, never when CI=true.
$(NODE): tests/node/package-lock.json
	@if command -v npm >/dev/null; then
	  echo "Setting up Azurite ..."
	  npm ci --prefix tests/node --silent --no-audit --no-fund --ignore-scripts
	  touch $@
	else
	  echo "npm is not installed: the tests that need Azurite will be skipped (install node 20 or newer to run them)"
	fi

.ONESHELL:
