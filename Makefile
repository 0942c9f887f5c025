PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test lint types setup setup-test

app: setup
	$(BIN)/python app.py

test: setup-test
	bash scripts/browser.sh
	for name in smollm2 whisper dinov2; do $(BIN)/loupe fetch $$name || exit 1; done
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup-test
	$(BIN)/mypy

setup:
	@$(PYTHON) scripts/setup.py app

setup-test:
	@$(PYTHON) scripts/setup.py test
