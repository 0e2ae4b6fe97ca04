# Everything that is done with a clone. Each command first sets up what it needs, and is quick where that stands.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := --quiet --disable-pip-version-check

.PHONY: help setup test check demo bench constraints

help:
	@echo "make setup        build $(VENV) with everything, pinned by constraints.txt"
	@echo "make test         lint, types, and every test"
	@echo "make check        lint and types, and the order of imports"
	@echo "make demo         label a real video; the results are left in demo/"
	@echo "make bench        measure, and print the table of figures"
	@echo "make constraints  pin the newest versions that fit pyproject.toml"

setup: $(VENV)/.ready

$(BIN)/python:
	@# Debian keeps the pip of new environments in a package of its own; without it, the system's pip fills the environment.
	$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install $(PIP) pip; }

$(VENV)/.ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install $(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

test: check
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

demo: setup
	$(BIN)/python examples/demo.py

bench: setup
	$(BIN)/python -m benchmarks

constraints:
	rm -rf build/newest
	$(PYTHON) -m venv build/newest
	build/newest/bin/python -m pip install $(PIP) --editable '.[dev]'
	build/newest/bin/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$$' > constraints.txt
	rm -rf build/newest
