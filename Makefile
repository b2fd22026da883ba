PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint bench clean

$(BIN)/drctl: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab]'
	touch $@

$(BIN)/pytest: $(BIN)/drctl
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(BIN)/drctl  ## Provision, status, live drill and teardown on the embedded lab.
	$(BIN)/drctl lab demo

test: $(BIN)/pytest  ## The whole test suite.
	$(BIN)/pytest -n 2

lint: $(BIN)/pytest
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test  ## What CI runs.

clean:
	rm -rf $(VENV) .drctl build *.egg-info .mypy_cache .ruff_cache .pytest_cache
