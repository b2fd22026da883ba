PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check install --constraint constraints.txt

SCENARIOS ?= all
.PHONY: audit demo demo-picture docs policies lab-test screenshot test contract rules check lint bench idle blackout-matrix changes crash-matrix faults invariants truth readiness-proof clean help
.DEFAULT_GOAL := help

help: ## This list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 14

$(VENV)/lab: setup.cfg pyproject.toml constraints.txt
	@echo "installing drctl and its lab into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[lab]'
	@touch $@

$(VENV)/dev: $(VENV)/lab
	@echo "installing what the tests need"
	@$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/lab ## Provision, status, live drill and teardown on the embedded lab, to watch.
	@PATH="$(CURDIR)/$(BIN):$$PATH" docs/demo.sh

lab-test: $(VENV)/lab ## Scenarios with your configuration and app, each in a lab of its own; CONFIG=my.yaml SCENARIOS='region-lost'.
	@$(BIN)/drctl lab scenario $(SCENARIOS) $(if $(CONFIG),-c $(CONFIG))

demo-picture: $(VENV)/dev ## The picture of the demo's terminal in docs/, recorded anew.
	@PATH="$(CURDIR)/$(BIN):$$PATH" docs/demo.sh > $(VENV)/demo.txt
	@$(BIN)/python -m tests.documents.picture $(VENV)/demo.txt

screenshot: $(VENV)/lab ## The picture of a drill's report in docs/, taken anew with a headless Chromium.
	@PATH="$(CURDIR)/$(BIN):$$PATH" docs/screenshot.sh

docs: $(VENV)/dev ## The references in docs/, written anew from the configuration's models and the runbooks.
	@$(BIN)/python -m tests.documents

# Three processes on two cores: tests wait for processes and sockets as long as they compute.
test: $(VENV)/dev ## The whole test suite.
	$(BIN)/pytest --numprocesses 3 --dist loadgroup --no-loadscope-reorder

contract: $(VENV)/dev ## Every step, killed at each of its calls and with each answer lost: all points, not a sample.
	$(BIN)/pytest --all-points tests/contract

rules: $(VENV)/dev ## Switch the rules of the lab off one by one: each test that holds one must fail (xfailed).
	$(BIN)/pytest --numprocesses 2 --without-rules tests/lab

lint: $(VENV)/dev ## Style and types.
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## What CI runs: style, types, architecture, tests.

policies: $(VENV)/dev ## What `drctl policy` prints, recorded anew in the lab; then git diff shows who may do more or less.
	@$(BIN)/python -m tests.permissions.record
	@RENEW_GOLDEN=1 $(BIN)/pytest tests/permissions/test_documents.py

bench: $(VENV)/dev ## The figures the README promises, measured; make bench ARGS=--json for JSON.
	@$(BIN)/python -m tests.bench $(ARGS)

idle: $(VENV)/dev ## What the lab takes of the machine while nothing is asked of it; make idle ARGS=--json for JSON.
	@$(BIN)/python -m tests.idle $(ARGS)

crash-matrix: $(VENV)/dev ## drctl is killed at every mutating call; ARGS='--every 8', '--run drill', '--help'.
	@$(BIN)/python -m tests.crash_matrix $(ARGS)

blackout-matrix: $(VENV)/dev ## A failover while a region, a service or the control bucket is gone; ARGS='--every 8', '--help'.
	@$(BIN)/python -m tests.blackout_matrix $(ARGS)

invariants: $(VENV)/dev ## Schedules of losses, failovers and kills, drawn at random; ARGS='--seed 7', '--schedules 9000'.
	@$(BIN)/python -m tests.invariants $(ARGS)

truth: $(VENV)/dev ## What reports say of RTO and lost rows, against the clients' record and the databases; ARGS='--seed 7'.
	@$(BIN)/python -m tests.truth $(ARGS)

readiness-proof: $(VENV)/dev ## A ready stack is broken in 200 ways, and drctl verify has to find each; ARGS='--seed 7', '--help'.
	@$(BIN)/python -m tests.readiness $(ARGS)

audit: $(VENV)/dev ## An independent auditor's rules for HIPAA over the production configuration, built in the lab.
	@$(BIN)/python -m tests.audit

changes: $(VENV)/dev ## Every key of the configuration changed later, there and back: plan, provision, nothing else touched.
	CHANGES=all $(BIN)/pytest tests/changes

faults: $(VENV)/dev ## Every fifth call ends badly: calls and time beside a clean run; ARGS='--seed 7', '--json'.
	@$(BIN)/python -m tests.faults $(ARGS)

clean: ## Remove the environment, labs, runs and caches.
	rm -rf $(VENV) .venv-audit .drctl build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
