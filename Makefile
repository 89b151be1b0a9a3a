# Connect's commands. `make demo` and `make test` need nothing but Python 3.11 and make; the rest is installed below .venv.
.DEFAULT_GOAL := help
.PHONY: audit bench bench-quick faults help demo test test-sqlite test-postgres lint format migrations lock docs printed diagrams pictures clean

PYTHON ?= python3
FAULTS ?=
BENCH ?=
export PORT ?= 8000
BIN := .venv/bin
STAMP := .venv/.installed
POSTGRES_TEST_URL ?= postgres://postgres@127.0.0.1:5432/connect
REDIS_TEST_URL ?= redis://127.0.0.1:6379/15
# Compiled modules make the second start several times faster than the first.
unexport PYTHONDONTWRITEBYTECODE

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | column -t -s '|'

demo:  ## run everything in this terminal: web, workers and schedule, with demo data (PORT, DATA_DIR)
	@bin/python-for-connect --port $(PORT) >/dev/null
	@$(MAKE) --no-print-directory $(STAMP)
	-@$(MAKE) --no-print-directory docs
	@DEMO=1 exec $(BIN)/python manage.py demo --with-parent

$(STAMP): requirements-dev.lock bin/environment
	@bin/environment

test: test-sqlite  ## the whole suite, on SQLite and, where they run, on PostgreSQL and Redis
	@if $(BIN)/python -m tests.services "$(POSTGRES_TEST_URL)" "$(REDIS_TEST_URL)"; \
	then $(MAKE) --no-print-directory test-postgres; \
	elif [ -n "$$CI" ]; then echo "In CI, PostgreSQL and Redis must run."; exit 1; fi

test-sqlite: $(STAMP)  ## the suite on the embedded defaults
	env -u DATABASE_URL -u REDIS_URL -u BROKER_URL bin/test $(ARGS)

test-postgres: $(STAMP)  ## the suite on PostgreSQL and Redis (POSTGRES_TEST_URL, REDIS_TEST_URL)
	DATABASE_URL="$(POSTGRES_TEST_URL)" REDIS_URL="$(REDIS_TEST_URL)" bin/test $(ARGS)

faults: $(STAMP)  ## every fault on the real stack, several times, with a table (FAULTS="--times 1 --only worker")
	$(BIN)/python -m tests.faults.run $(FAULTS)
	$(BIN)/python -m tests.faults.lines
	KILLS=100 DATABASE_URL="$(POSTGRES_TEST_URL)" $(BIN)/pytest -n 0 -q tests/pulls/test_killed.py
	$(BIN)/python -m bench.soak --minutes 2

audit: $(STAMP)  ## ask an advisory service about every pinned dependency, where one can be reached
	@bin/audit

bench: $(STAMP)  ## measure, on PostgreSQL and Redis, and keep the figures in bench/results (BENCH="flows --quick")
	$(BIN)/python -m bench $(BENCH)

bench-quick: $(STAMP)  ## the benches in small: they must run, not reach figures
	$(BIN)/python -m bench --quick --json "$${TMPDIR:-/tmp}/connect-bench.json"

lint: $(STAMP)  ## style, import directions, types, forgotten migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy --config-file clients/python/pyproject.toml
	DATA_DIR=$${TMPDIR:-/tmp}/connect-lint DEMO=1 $(BIN)/python manage.py makemigrations --check --dry-run

format: $(STAMP)  ## put the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

migrations: $(STAMP)  ## write the migrations that changed models need
	$(BIN)/python manage.py makemigrations

lock: $(STAMP)  ## renew the lock files from pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --upgrade \
	    -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --upgrade \
	    --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --upgrade \
	    --group docs -c requirements-dev.lock -o requirements-docs.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --upgrade \
	    --group examples -c requirements-dev.lock -o requirements-examples.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --upgrade \
	    --group deploy -c requirements-dev.lock -o requirements-deploy.lock

docs: site/index.html  ## build the documentation into site/, which the server shows at /docs/

site/index.html: $(STAMP) mkdocs.yml clients/python/README.md $(shell find docs -type f)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --clean

printed: $(STAMP)  ## print the parts of docs/ that come from the code
	$(BIN)/python manage.py print_docs

diagrams: printed  ## draw docs/diagrams again (npm and Chromium)
	npm install --silent --no-save --prefix var/mermaid mermaid@12.3.0
	$(BIN)/python docs/diagrams/draw.py var/mermaid/node_modules/mermaid/dist/mermaid.min.js

pictures: $(STAMP)  ## take the screenshots and the recording in docs/pictures again (Chromium)
	$(BIN)/python -m docs.pictures.take

clean:  ## forget the environment and the demo's data
	rm -rf .venv var
