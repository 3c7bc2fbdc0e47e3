# Two commands on a fresh machine: `make demo` and `make test`. Both set up what they need, in .venv.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
DEVELOP = $(VENV)/.ready-to-develop
INSTALL = PIP_CONSTRAINT=$(abspath constraints.txt) $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOURCES = pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*.cpp native/*.hpp)

.PHONY: setup demo test lint format bench docs native-test clean
.DEFAULT_GOAL := demo

setup: $(DEVELOP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bstdg needs Python 3.11 or later; name one with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

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

test: setup native-test
	$(BIN)/python -m pytest

native-test:
	native/tests/run.sh

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/clang-format --dry-run -Werror native/*.cpp native/*.hpp native/tests/*.cpp

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i native/*.cpp native/*.hpp native/tests/*.cpp

bench: setup
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/inference.py

docs: setup
	$(BIN)/python -m pytest -q --doctest-glob="*.md" README.md docs

clean:
	rm -rf $(VENV) build runs
