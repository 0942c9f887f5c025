PYTHON ?= python3
BIN := .venv/bin

# Compiled once and not in each of the twenty processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: app test test-all lint types setup setup-test

app: setup
	$(BIN)/python app.py

# Those in a browser come by themselves: each of the three processes has a server and a browser of its own, and
# waits for them a third of the time.
test: setup-test
	bash scripts/browser.sh
	bash scripts/node.sh
	$(BIN)/loupe fetch smollm2 whisper dinov2
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal --durations 25 --ignore tests/browser
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal --durations 25 tests/browser

# With as many random examples as the tests themselves name, and new ones each time.
test-all:
	env --unset=CI LOUPE_EXAMPLES=500 $(MAKE) test

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
