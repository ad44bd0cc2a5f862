# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY   := $(VENV)/bin/python
PIP  := $(PY) -m pip install --quiet --disable-pip-version-check
sum  = $(shell cat $(1) | cksum | cut -d' ' -f1)

# One environment per set of requirements. RUN is what the command line needs, DEV adds the tools.
# An environment whose Python is gone (removed or replaced) is made anew, and so is one of another PYTHON, if one is named.
BROKEN := $(shell $(PY) -c '' 2>/dev/null || echo broken)
RUN    := $(VENV)/.run-$(call sum,requirements.txt requirements-cli.txt)$(subst /,-,$(PYTHON))$(BROKEN)
DEV    := $(VENV)/.dev-$(call sum,requirements.txt requirements-cli.txt requirements-dev.txt)
NODE   := tests/node/node_modules/.package-lock.json

.PHONY: help
help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /:/' | awk -F: '{printf "%-16s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(RUN)  ## set up, export one simulated day to demo/, show it
	@$(PY) -m exporter demo

.PHONY: demo-azure
demo-azure: $(DEV) $(NODE)  ## the demo with the storage emulator as the destination (needs node)
	@$(PY) -m tests.azure.demo

.PHONY: test
test: $(DEV) $(NODE)  ## set up, run every test (ARGS="tests/days -n0": some of them, in one process)
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist load $(ARGS)

.PHONY: check
check: $(DEV)  ## format, lint and types
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

.PHONY: infra-check
infra-check: $(DEV) $(NODE)  ## check infra/ offline, as far as the checks are at hand (BICEP=... names the compiler)
	@$(PY) -m tests.infra.check

.PHONY: infra-snapshots
infra-snapshots: $(DEV)  ## write infra/snapshots/ anew (what would be deployed)
	@$(PY) -m tests.infra.snapshots

.PHONY: bench
bench: $(DEV) $(NODE)  ## measure against other ways, in one run; writes docs/benchmarks.md
	@$(PY) -m tests.bench $(ARGS)

.PHONY: schemas
schemas: $(DEV)  ## write docs/schemas/ anew (the JSON that others read)
	@$(PY) -m exporter.cli.schemas docs/schemas

.PHONY: pictures
pictures: $(DEV)  ## write README's pictures anew (needs chromium)
	@$(PY) -m tests.pictures

.PHONY: pins
pins: $(DEV)  ## write requirements*.txt from requirements*.in; UPGRADE="--upgrade-package NAME" or "--upgrade" raises pins
	@bash .ci/pins $(UPGRADE)

.PHONY: soak
soak: $(DEV) $(NODE)  ## the long tests, with seeds: the model, the fuzz, a slow line (about an hour)
	@SOAK=1 FUZZ=100 MODEL_EXAMPLES=2000 $(PY) -m pytest tests/test_model.py tests/archive/test_fuzz.py tests/store/test_blob_transport.py $(ARGS)

.PHONY: clean
clean:  ## remove what was set up here and what the demo wrote; never data/ or logs/
	rm -rf $(VENV) tests/node/node_modules demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build

# Candidates are run, not looked up: pyenv's shims exist on the PATH and fail.
$(RUN):
	@python=$$(bash .ci/find-python) && \
	echo "Setting up $(VENV) with $$("$$python" --version) ..." && \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) && \
	$(PIP) --require-hashes -r requirements-cli.txt && \
	touch $(subst $(BROKEN),,$@)

$(DEV): $(RUN)
	@echo "Setting up the tools for tests and checks ..." && \
	$(PIP) --require-hashes -r requirements-dev.txt && \
	touch $@

# Azurite for the tests against Blob Storage. Without node they are skipped with a reason, never when CI=true.
$(NODE): tests/node/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "Setting up Azurite ..." && \
	  npm ci --prefix tests/node --silent --no-audit --no-fund --ignore-scripts && \
	  touch $@; \
	else \
	  echo "npm is not installed: the tests that need Azurite will be skipped (install node 20 or newer to run them)"; \
	fi
