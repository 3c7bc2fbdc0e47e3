# Two commands on a fresh machine: `make demo` and `make test`. Both set up what they need, in .venv.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
DEVELOP = $(VENV)/.ready-to-develop
# Two makes in one tree take turns to change its environment, where there is flock.
TURN    = mkdir -p build && $(if $(shell command -v flock),flock build/setup.lock)
INSTALL = $(TURN) env PIP_CONSTRAINT=$(abspath constraints.txt) $(BIN)/python -m pip install --quiet --disable-pip-version-check
NATIVE  = $(shell find native fuzz -name '*.[ch]pp')
SOURCES = pyproject.toml constraints.txt $(shell find CMakeLists.txt native -name '*.[ch]pp' -o -name CMakeLists.txt)
# CMake builds what needs no Python; where the system has none, one of the environment's.
CMAKE   = $(if $(shell command -v cmake),,$(BIN)/cmake)
TOOLS   = PATH="$(abspath $(BIN)):$$PATH"

.PHONY: setup demo test test-random mutation fuzz lint format stubs bench results docs native-test clean
.DEFAULT_GOAL := demo

setup: $(DEVELOP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bstdg needs Python 3.11 or later; name one with: make PYTHON=python3.12"; exit 1; }
	$(TURN) $(PYTHON) -m venv $(VENV)

$(BIN)/cmake: | $(BIN)/python
	$(INSTALL) cmake

# The pins apply to the build's own environment too. Editable: Python sources are used where they lie.
$(READY): $(SOURCES) | $(BIN)/python
	$(INSTALL) --editable .
	touch $@

$(DEVELOP): $(SOURCES) | $(BIN)/python
	$(INSTALL) --editable '.[dev]'
	touch $(READY) $@

demo: $(READY)
	$(BIN)/bstdg train digits --out runs/demo --overwrite
	$(BIN)/bstdg raster runs/demo/model.bstdg --out runs/demo/decision.svg
	@echo "Look at runs/demo/decision.svg, or ask:  $(BIN)/bstdg info runs/demo/model.bstdg"

# As many tests at a time as there are processors, four at most; WORKERS=0: all in one process, as a debugger wants it.
WORKERS ?= logical
test: setup native-test
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal

# Other examples than those of `make test`, and ten times as many where a test does not say how many it takes.
TESTS ?= tests
test-random: setup
	@seed="$(SEED)"; seed=$${seed:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; \
	echo "to draw these examples again: make test-random SEED=$$seed TESTS='$(TESTS)'"; \
	$(BIN)/python -m pytest -q --hypothesis-profile=random --hypothesis-seed=$$seed $(TESTS)

# Breaks the package on purpose and sees that tests notice, see tests/mutation: hours for all modules, minutes for one.
mutation: setup
	$(INSTALL) --editable '.[mutation]'
	cd tests && OMP_NUM_THREADS=1 $(abspath $(BIN))/python -m mutation.run $(MODULE)

native-test: $(CMAKE)
	$(TOOLS) native/tests/run.sh

# Every reader of files (atheris), a fifth of so many seconds each, from the corpus in fuzz/corpus and what build/fuzz has
# grown of it; then, where clang is there, the native code that reads events (libFuzzer), for so many.
FUZZ_SECONDS ?= 60
fuzz: setup $(CMAKE)
	$(INSTALL) atheris
	$(BIN)/python fuzz/run.py $$(( ($(FUZZ_SECONDS) + 4) / 5 )) $(READERS)
	@if ! command -v clang++ >/dev/null; then echo "clang++ is not there: the native code was not fuzzed"; exit 0; fi; \
	$(TOOLS) fuzz/run.sh $(FUZZ_SECONDS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/clang-format --dry-run -Werror $(NATIVE)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(NATIVE)

# The native module's types, from its bindings.
stubs: setup
	$(BIN)/python native/stubs.py > build/_native.pyi
	mv build/_native.pyi src/bstdg/_native.pyi

# Takes minutes. The tables go to the terminal, the figures behind them into docs/benchmarks.
bench: setup
	$(INSTALL) --editable '.[bench]'
	$(BIN)/python benchmarks/inference.py --json docs/benchmarks/inference.json
	$(BIN)/python benchmarks/training.py --json docs/benchmarks/training.json
	$(BIN)/python benchmarks/training.py --threads 2 --json docs/benchmarks/training-2-threads.json
	$(BIN)/python benchmarks/ranks.py --json docs/benchmarks/ranks.json
	$(BIN)/python benchmarks/convolution.py --json docs/benchmarks/convolution.json
	$(BIN)/python benchmarks/growth.py --json docs/benchmarks/growth.json --figures docs/figures
	$(BIN)/python benchmarks/estimator.py --json docs/benchmarks/estimator.json
	$(BIN)/python benchmarks/report.py

# The results page and its figures, from the JSON in results.
results: setup
	$(BIN)/bstdg reproduce --report docs/results.md

# The pages into build/docs, then every Python snippet; commands in them are run by tests/test_docs_snippets.py.
docs: setup
	$(BIN)/python docs/drawings.py docs/figures
	$(BIN)/python -m sphinx --color -q -W --keep-going -b html -d build/doctrees docs build/docs
	$(BIN)/python -m pytest -q --doctest-glob="*.md" README.md docs
	@echo "Look at build/docs/index.html"

clean:
	rm -rf $(VENV) build runs
