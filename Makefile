# make run    two weeks of demo deliveries through Airflow, and the story of what came of them
# make test   all tests (make test-fast: the domain alone, within a minute)
# make up     Airflow with its UI at http://localhost:$(PORT)
# make stack  the services of docker-compose.yaml without an engine (make stack-down ends them)
# make help   everything else
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_FOLDER ?= .demo
PORT ?= 8080
STACK_FOLDER ?= .stack
WORKERS ?= 1
SERVERS := postgresql redis-server ceph-mon ceph-osd radosgw
export PYTHONPATH := include
export AIRFLOW__CORE__LOAD_EXAMPLES := False

.PHONY: run test test-fast up stack stack-down lint benchmark compose-check secrets pictures docs lock schema clean help

run: $(VENV)/.runtime ## two weeks of demo deliveries through the DAGs
	@$(BIN)/python -m labelaudit_airflow.demo_run $(HOME_FOLDER)

up: $(VENV)/.runtime ## Airflow standalone with its UI
	@$(BIN)/python -m labelaudit_airflow.standalone $(HOME_FOLDER) $(PORT)

stack: $(VENV)/.runtime ## the services of docker-compose.yaml as processes of this machine
	@.ci/system-packages $(SERVERS)
	@test -e .env || $(MAKE) --no-print-directory secrets
	@$(BIN)/python -m labelaudit_airflow.stack up --home $(STACK_FOLDER) --port $(PORT) --workers $(WORKERS)

stack-down: $(VENV)/.runtime ## end them; their data stays in $(STACK_FOLDER)
	@$(BIN)/python -m labelaudit_airflow.stack down --home $(STACK_FOLDER)

test: $(VENV)/.test ## all tests (CI calls this)
	@.ci/system-packages chromium $(SERVERS)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/.test ## the domain alone, within a minute (pyproject.toml lists what is left out)
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --ignore-glob "tests/docs/test_page_*" \
		-m "not (airflow or browser or server or runs or parsers or slow)"

lint: $(VENV)/.test ## style, and which module may import which
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

benchmark: $(VENV)/.benchmark ## ours and the peers', side by side (public data: LABELAUDIT_DATA)
	@$(BIN)/python -m benchmarks.label_errors && $(BIN)/python -m benchmarks.scale 1 4 && $(BIN)/python -m benchmarks.delivery_speed
	@$(BIN)/python -m benchmarks.reading_speed && $(BIN)/python -m benchmarks.many_files && $(BIN)/python -m benchmarks.hostile_files
	@$(BIN)/python -m benchmarks.consensus && $(BIN)/python -m benchmarks.consensus_scale 1 4 && $(BIN)/python -m benchmarks.dataset && $(BIN)/python -m benchmarks.real_deliveries
	@$(BIN)/python -m benchmarks.regressions && $(BIN)/python -m benchmarks.defect_rates && $(BIN)/python -m benchmarks.acceptance

secrets: $(VENV)/.runtime ## write .env with fresh secrets, for docker compose
	@$(BIN)/python -m labelaudit_airflow.scaled_out secrets

compose-check: $(VENV)/.test ## validate docker-compose.yaml without an engine
	@$(BIN)/python -m pytest tests/labelaudit_airflow/test_compose.py

schema: $(VENV)/.runtime ## write the contracts' JSON Schema for editors
	@$(BIN)/python -m labelaudit contracts --schema

docs: $(VENV)/.runtime ## write what the code says itself into the pages
	@PYTHONPATH=include:. $(BIN)/python -m docs.generate

pictures: $(VENV)/.test ## take the pages' pictures again (two minutes)
	@PYTHONPATH=include:. $(BIN)/python docs/pictures.py

lock: ## resolve the pins again from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 pyproject.toml --extra airflow --no-header --no-annotate --no-emit-index-url -q -o requirements.txt
	uv pip compile --universal --python-version 3.11 pyproject.toml --extra airflow --group test -c requirements.txt --no-header --no-annotate --no-emit-index-url -q -o tests/requirements.txt
	uv pip compile --universal --python-version 3.11 pyproject.toml --extra airflow --group test --group benchmark -c tests/requirements.txt --no-header --no-annotate --no-emit-index-url -q -o benchmarks/requirements.txt

clean: ## remove the environment and the demo
	rm -rf $(VENV) .demo

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

# Bytecode is compiled at set-up: without it every Airflow process takes seconds longer to start.
define install
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up: $(1)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-virtualenv -r $(1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib include dags plugins || true
	@touch $@
endef

$(VENV)/.runtime: requirements.txt pyproject.toml
	$(call install,requirements.txt)

$(VENV)/.test: tests/requirements.txt pyproject.toml
	$(call install,tests/requirements.txt)
	@touch $(VENV)/.runtime

$(VENV)/.benchmark: benchmarks/requirements.txt pyproject.toml
	$(call install,benchmarks/requirements.txt)
	@touch $(VENV)/.runtime $(VENV)/.test
