PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test lint types setup setup-test

app: setup
	$(BIN)/python app.py

# A browser and its server want the cores for themselves: beside others a page shifts under the pointer.
test: setup-test
	bash scripts/browser.sh
	bash scripts/node.sh
	$(BIN)/loupe fetch smollm2 whisper dinov2
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal --ignore tests/browser
	$(BIN)/python -m pytest tests/browser

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
