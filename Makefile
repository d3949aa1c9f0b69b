# One command for each chore. `make migrate` and `make test` need only git, make, python3 and sudo on Debian 12.
SHELL  := /bin/sh
PYTHON ?= /usr/bin/python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := .cache/set-up
SWING  ?= shared-ip
SEED   ?= 1
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet install

.PHONY: help migrate test test-images check bench lock clean setup setup-image setup-test setup-vm setup-bench

help: ## What can be made.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

migrate: setup ## Rehearse the whole migration in a fresh lab; SWING=dns, or INVENTORY=file.toml for real boxes.
	@$(BIN)/rebox migrate $(if $(INVENTORY),--inventory $(INVENTORY),--topology fixtures/labs/migration-$(SWING).toml)

test: setup-test check ## Set up, check and test everything.
	@echo "Left to make test-images, which takes minutes: building disk images, and booting them"
	@$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "not image" $(PYTEST_ARGS)

test-images: setup-vm ## Build the disk images twice, compare, and boot them in virtual machines.
	@$(BIN)/pytest -m image $(PYTEST_ARGS) tests/images

check: setup-test ## Ruff, mypy, import contracts.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup-bench ## Compare with peers; writes docs/benchmarks.md.
	@$(BIN)/python -m benchmarks

setup: $(STAMPS)/run
setup-image: $(STAMPS)/run $(STAMPS)/image-debian
setup-test: $(STAMPS)/test
setup-vm: $(STAMPS)/test $(STAMPS)/vm-debian
setup-bench: $(STAMPS)/bench

$(STAMPS)/%-debian: packages/debian.list packages/install-debian
	@packages/install-debian $*
	@mkdir -p $(@D) && touch $@

$(STAMPS)/run: $(STAMPS)/run-debian packages/python-build.lock packages/python.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Python packages for running"
	@$(PIP) --require-hashes -r packages/python-build.lock
	@$(PIP) --require-hashes --no-build-isolation -r packages/python.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/test: $(STAMPS)/run $(STAMPS)/image-debian $(STAMPS)/test-debian packages/python-dev.lock
	@echo "Installing Python packages for testing"
	@$(PIP) --require-hashes --no-build-isolation -r packages/python-dev.lock
	@touch $@

$(STAMPS)/bench: $(STAMPS)/test $(STAMPS)/bench-debian packages/python-bench.lock
	@echo "Installing Python packages for the benchmarks"
	@$(PIP) --require-hashes --no-build-isolation -r packages/python-bench.lock
	@touch $@

lock: ## Write the lock files anew from pyproject.toml.
	@packages/lock

clean: ## Remove the set-up and what tests left; runs and labs stay.
	@rm -rf $(VENV) .cache build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
