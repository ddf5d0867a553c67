# Two commands are all that is needed: `make demo` and `make test`. Each sets up what it lacks.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-compiled coverage check lint types docs bench compiled clean

demo: $(VENV)/.core
	$(BIN)/worldgate demo

test: $(VENV)/.dev
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 2 --dist worksteal

# The tests again, taking half as long again: which lines none of them runs.
coverage: $(VENV)/.dev
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered

check: lint types docs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/deptry src

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/zensical build --strict

bench: $(VENV)/.dev
	for script in bench/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

# A copy of the package with its hot modules compiled, for `PYTHONPATH=build/compiled`. Nothing else uses it.
compiled: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[compile]' --constraint constraints.txt
	$(BIN)/python tools/compile.py

# A share of the tests once more, on that copy.
test-compiled: compiled
	env -u PYTHONDONTWRITEBYTECODE PYTHONPATH=build/compiled $(BIN)/python -m pytest -n 2 tests/test_compiled.py \
	  tests/facts tests/worlds/test_contract.py tests/worlds/filesystem/test_rules.py

# The core and what the tests need live in one environment; each is installed when its stamp is older
# than what declares it, so a second run starts at once.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --constraint constraints.txt
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]' --constraint constraints.txt
	touch $@ $(VENV)/.core

clean:
	rm -rf $(VENV) site .demo build/compiled
