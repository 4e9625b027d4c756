# One door to everything. `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
FRONTEND := $(shell find frontend -type f -not -path '*/node_modules/*' 2>/dev/null)

# Where the environment forbids Python to keep what it compiled, every process of the tests would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help serve test check soak pictures bench lock format wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  make %-8s %s\n", $$1, $$2}'

serve: .venv/run ## set up everything and start Keyhouse on http://127.0.0.1:8080
	@command -v keyhouse >/dev/null || echo 'keyhouse: the command is in $(BIN): export PATH=$$PWD/$(BIN):$$PATH' >&2
	@exec $(BIN)/keyhouse serve $(ARGS)

test: .venv/dev ## set up what the tests need and run all of them
	@tests/setup
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/dev ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

soak: .venv/dev ## the long proofs: hundreds of crashes under load
	@tests/setup
	KEYHOUSE_MACHINE_EXAMPLES=500 $(BIN)/pytest tests/ledger/test_machine.py --hypothesis-profile "drawn anew" --timeout 7200
	$(BIN)/pytest tests -m soak --hypothesis-profile "drawn anew" --timeout 7200 -s $(ARGS)

pictures: .venv/dev ## take the pictures of docs/pictures anew, from a made-up organization
	@tests/setup
	$(BIN)/pytest tests/e2e/test_pictures.py -m pictures --timeout 600 $(ARGS)

bench: .venv/dev $(if $(PEERS),$(UV)) ## throughput and latency beside nginx, in one run; PEERS=1 for LiteLLM and Portkey, too
	@bench/setup
	@$(if $(PEERS),bench/setup_peers $(UV) .tools/peers)
	$(BIN)/python -m bench $(if $(PEERS),--peers .tools/peers) $(ARGS)

format: .venv/dev ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(UV) ## choose the newest dependencies (a week old at least) and lock them with hashes
	$(UV) pip compile -q --universal --generate-hashes --exclude-newer "1 week" --custom-compile-command "make lock" \
	  pyproject.toml -o locks/run.txt
	$(UV) pip compile -q --universal --generate-hashes --exclude-newer "1 week" --custom-compile-command "make lock" \
	  --group check --group test -c locks/run.txt pyproject.toml -o locks/dev.txt
	$(UV) pip compile -q --universal --generate-hashes --exclude-newer "1 week" --custom-compile-command "make lock" \
	  locks/build.in -o locks/build.txt

wheel: $(UV) ## build the wheel, pages and all, into dist/
	$(UV) build --quiet --wheel --require-hashes --build-constraints locks/build.txt

clean: ## remove what was built
	rm -rf .venv .tools dist src/keyhouse/static frontend/node_modules

# uv is used if it is installed; otherwise a copy of it is put into .tools.
.tools/bin/uv:
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Installing the package builds the pages too, if their sources are newer (hatch_build.py).
.venv/run: locks/run.txt locks/build.txt pyproject.toml hatch_build.py $(FRONTEND) | $(UV)
	@echo "Setting up .venv" >&2
	@test -x $(BIN)/python || $(UV) venv --quiet .venv
	@test -e .venv/dev || $(UV) pip sync --quiet --require-hashes locks/run.txt
	@$(UV) pip install --quiet --no-deps --build-constraints locks/build.txt -e .
	@touch $@

.venv/dev: locks/dev.txt .venv/run
	@$(UV) pip sync --quiet --require-hashes locks/dev.txt
	@$(UV) pip install --quiet --no-deps --build-constraints locks/build.txt -e .
	@touch $@
