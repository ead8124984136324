# Two commands do everything: `make run` and `make test`. Both set up first.
PYTHON ?= python3
BIN := .venv/bin
SCENARIO ?= evening_peak
export PYTHONUTF8 = 1

.DEFAULT_GOAL := help
.PHONY: help run test system lint fuzz bench truth effects attribution schema clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# The environment is made anew whenever the lock file or the project file changes.
.venv/.made: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "orderjam needs Python 3.11 or later; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Clients of other people that cannot live in our environment: one whose package name clashes, and those of node.
.conformance/.made: tests/conformance/alipay_official.lock tests/conformance/node/package-lock.json
	@rm -rf .conformance && mkdir -p .conformance
	$(PYTHON) -m venv .conformance/alipay_official
	.conformance/alipay_official/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/conformance/alipay_official.lock
	@if command -v npm >/dev/null; then \
	  cp -r tests/conformance/node .conformance/node && cd .conformance/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
	else echo "npm is not here: the clients of node are not tried"; fi
	@if command -v go >/dev/null; then \
	  GOBIN=$(CURDIR)/.conformance/go/bin go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0 || echo "Go could not install Toxiproxy: the embedded server is not held against it"; \
	else echo "Go is not here: the embedded server is not held against the real Toxiproxy"; fi
	@touch $@

# Real parts that tests need of the system; whoever may not install them is told which tests are skipped. While it is
# installed, Debian's package is kept from making and starting a cluster of its own.
CLUSTERS := /etc/postgresql-common/createcluster.d
system:
	@missing=; command -v nft >/dev/null || [ -x /usr/sbin/nft ] || missing="nftables"; \
	command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$${missing:+$$missing }postgresql"; \
	command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$${missing:+$$missing }chromium"; \
	if [ -z "$$missing" ]; then exit; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then echo "not here: $$missing; the tests that need it are skipped"; exit; fi; \
	echo "installing for the tests: $$missing"; mkdir -p $(CLUSTERS) && echo "create_main_cluster = false" > $(CLUSTERS)/orderjam.conf; \
	{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $$missing; } >/dev/null 2>&1 \
	|| echo "could not be installed: $$missing; the tests that need it are skipped"; \
	rm -f $(CLUSTERS)/orderjam.conf

run: .venv/.made ## play the default scenario against the embedded shop; a report at the end
	@$(BIN)/orderjam run $(SCENARIO) || code=$$?; \
	if [ "$${code:-0}" -eq 1 ]; then \
	  echo "As it should be: the naive shop got orders stuck, broke an invariant and a gate; read runs/latest/report.html, and see the cure with: $(BIN)/orderjam run $(SCENARIO) --profile hardened"; \
	else exit $${code:-0}; fi

test: .venv/.made .conformance/.made system lint ## linters and all tests, with coverage
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not run" --cov --cov-report=term $(PYTEST)
	@$(BIN)/python -m pytest -q -m run $(PYTEST)  # whole runs measure time, so nothing runs beside them

lint: .venv/.made ## ruff and mypy --strict
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

fuzz: .venv/.made ## 200,000 damaged requests at every dialect and at /_admin, 100,000 at the embedded Toxiproxy (half an hour)
	@$(BIN)/python -m tests.mocks.fuzzing && $(BIN)/python -m tests.faults.transport.fuzzing

bench: .venv/.made ## measure; figures as ratios within one run
	@for b in strikes_and_journal dialects_vs_wiremock rsa_dialects ladder_lateness trades_in_memory driver_lateness driver_throughput whole_run analysis wire_speed wire_fidelity; do \
	  echo "== $$b"; $(BIN)/python -m benchmarks.$$b || exit 1; done

truth: .venv/.made ## how true the numbers are: simulated histories of which all is known (10 minutes); writes docs/measures.md
	@$(BIN)/python -m benchmarks.truth --write

effects: .venv/.made ## play every scenario and write docs/effects.md (half an hour)
	@$(BIN)/python benchmarks/effects.py --fresh

attribution: .venv/.made ## play each cause alone, in pairs and on the hardened shop, and score what was found (an hour)
	@$(BIN)/python -m benchmarks.attribution

schema: .venv/.made ## write the JSON Schemas of scenarios and findings, and the table in docs/faults.md again
	@$(BIN)/orderjam schema > scenarios/scenario.schema.json && $(BIN)/python -m reports.schema > reports/findings.schema.json && $(BIN)/python -m faults.table

clean: ## remove what was made, the runs too
	rm -rf .venv .conformance runs build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .coverage*
