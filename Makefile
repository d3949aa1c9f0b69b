# One command for each chore. `make migrate` and `make test` need only git, make, python3 and sudo on Debian 12 or 13.
SHELL  := /bin/sh
PYTHON ?= /usr/bin/python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := .cache/set-up
SWING  ?= shared-ip
LAB    ?= namespaces
CARRY  ?= network
SEED   ?= 1
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet install

# boxes as programs in namespaces; or as virtual machines, from metal to libvirt, or with DIRECTION=to-metal
TOPOLOGY := fixtures/labs/migration-$(if $(filter vm,$(LAB)),vm$(DIRECTION:%=-%),$(SWING)).toml

.PHONY: help migrate test test-endurance check bench lock clean setup setup-image setup-media setup-test setup-vm setup-bench

help: ## What can be made.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

migrate: $(if $(filter vm,$(LAB)),setup-vm,setup) $(if $(filter media,$(CARRY)),setup-media) ## Rehearse the migration in a fresh lab; SWING=dns, CARRY=media, LAB=vm, LAB=vm DIRECTION=to-metal; or INVENTORY=file.toml.
	@$(BIN)/rebox migrate $(if $(INVENTORY),--inventory $(INVENTORY),--topology $(TOPOLOGY) --carry $(CARRY))

test: setup-test check ## Set up, check and test everything; what only root can through sudo, where that asks nobody.
	@$(BIN)/python -m tests.run_all $(PYTEST_ARGS)

test-endurance: whole migrations of machines with power failures, the rarer ways to boot and to wipe"

test-endurance: setup-test ## What takes many minutes: whole migrations of machines, cut off in every step.
	@$(BIN)/pytest -m endurance $(PYTEST_ARGS)

check: setup-test ## Ruff, mypy, import contracts.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup-bench ## Compare with peers; writes docs/benchmarks.md.
	@$(BIN)/python -m benchmarks

setup: $(STAMPS)/run
setup-image: $(STAMPS)/run $(STAMPS)/image-debian
setup-media: $(STAMPS)/run $(STAMPS)/media-debian
setup-test: $(STAMPS)/test
setup-vm: $(STAMPS)/vm
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

$(STAMPS)/vm: $(STAMPS)/run $(STAMPS)/image-debian $(STAMPS)/vm-debian packages/python-metal-lab.lock
	@echo "Installing Python packages for labs with metal"
	@$(PIP) --require-hashes --no-build-isolation -r packages/python-metal-lab.lock
	@touch $@

$(STAMPS)/test: $(STAMPS)/run $(STAMPS)/image-debian $(STAMPS)/media-debian $(STAMPS)/vm-debian $(STAMPS)/test-debian packages/python-dev.lock
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
