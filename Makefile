# Everything a newcomer types. On a bare Debian 12: apt-get install git make python3 python3-venv
PYTHON ?= python3
SETUP := $(PYTHON) -m scripts.setup
BIN := .venv/bin
LEFT_OUT := browser or fuzz or interop or postgresql or spark
export PYTHONUNBUFFERED := 1
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | while IFS='	' read -r target text; do \
		printf '  make %-14s %s\n' "$$target" "$$text"; done

setup: ## the environment, its locked packages and the built pages; quick when nothing changed
	@$(SETUP) develop pages

demo: ## the field trial in the browser: virtual meters, head-end, control room (ARGS="--speed 60 …")
	@$(SETUP) product pages warm
	@exec $(BIN)/bijlighar demo $(ARGS)

test: setup ## every test that needs no browser, PostgreSQL or external peer, and no minutes
	@$(BIN)/pytest -n 2 --dist worksteal -m "not ($(LEFT_OUT))" $(ARGS)

test-all: ## the tests that `make test` leaves out, a minute of fuzzing among them; fetches what they need first
	@$(SETUP) develop pages postgresql interop fuzz spark debian-chromium debian-postgresql debian-java
	@status=0; \
	$(BIN)/pytest -m browser $(ARGS) || status=1; \
	$(BIN)/pytest -m interop $(ARGS) || status=1; \
	$(BIN)/python -m scripts.with_postgresql $(BIN)/pytest -n 2 --dist worksteal -m "postgresql" $(ARGS) || status=1; \
	$(BIN)/pytest tests/spark -m spark $(ARGS) || status=1; \
	$(BIN)/pytest -n 2 tests/fuzz -m fuzz $(ARGS) || status=1; \
	exit $$status # several runs: the browser's driver keeps an event loop that other tests must not meet

test-browser: ## the pages in Debian's Chromium
	@$(SETUP) develop pages debian-chromium
	@$(BIN)/pytest -m browser $(ARGS)

test-postgresql: ## the records on a PostgreSQL server of their own
	@$(SETUP) develop postgresql debian-postgresql
	@$(BIN)/python -m scripts.with_postgresql $(BIN)/pytest -n 2 --dist worksteal -m postgresql $(ARGS)

test-spark: ## the day on a Spark of its own: a master and two workers on loopback
	@$(SETUP) develop spark debian-java
	@$(BIN)/pytest tests/spark -m spark $(ARGS)

test-interop: ## our head-end and our meters against external DLMS peers, each in its own process
	@$(SETUP) develop interop
	@$(BIN)/pytest -m interop tests/interop $(ARGS)

nightly: ## what takes too long for every day: new generated examples, 10 minutes of fuzzing, hundreds of kills, a whole mohalla, simulated storms and a month
	@$(SETUP) develop fuzz
	@status=0; \
	HYPOTHESIS_PROFILE=night $(BIN)/pytest -n 2 --dist worksteal -m "not ($(LEFT_OUT))" $(ARGS) || status=1; \
	FUZZ_SECONDS=600 $(BIN)/pytest -n 2 tests/fuzz -m fuzz $(ARGS) || status=1; \
	KILL_ROUNDS=200 $(BIN)/pytest --timeout 3600 tests/records/test_killed.py $(ARGS) || status=1; \
	KILL_ROUNDS=20 $(BIN)/pytest --timeout 3600 tests/headend/test_killed.py $(ARGS) || status=1; \
	MOHALLA_HOMES=2000 $(BIN)/pytest tests/headend/test_mohalla_faults.py $(ARGS) || status=1; \
	SIMULATION_ROUNDS=20 $(BIN)/pytest -n 2 --timeout 3600 tests/simulation $(ARGS) || status=1; \
	PYTHONPATH=src $(BIN)/python -m tests.simulation --seed $${SEED:-1} --meters 1000 --days 30 --headends 2 || status=1; \
	exit $$status

check: setup ## format, lint, types, floors, and the pages' own checks
	@$(BIN)/python -m scripts.check

bench: setup ## every benchmark, one table; programs to compare with are installed beside ours first
	@$(SETUP) postgresql debian-postgresql
	@$(BIN)/python -m benches.peers
	@$(BIN)/bijlighar bench $(ARGS)

wheel: setup ## dist/*.whl with the built pages inside
	@$(BIN)/python -m scripts.wheel

lock: ## renew requirements/*.txt from requirements/*.in (UPGRADE=1 takes newer versions)
	@scripts/lock

clean: ## remove what was built and every stamp; data, environments and packages stay
	@rm -rf dist build src/bijlighar/controlroom/pages web/dist .setup/pages .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	@find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup demo test test-all test-browser test-postgresql test-spark test-interop nightly check bench wheel lock clean
