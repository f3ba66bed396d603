# `make demo` and `make test` need nothing but Python >= 3.11 and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 2
KERNEL := src/ganloss/terms/_cpu_kernel.c src/ganloss/terms/_cpu_kernel.h

.PHONY: demo test check lint types docs bench browser long faults faults-short clean

demo: $(VENV)/base
	$(BIN)/ganloss demo digits

test: $(VENV)/test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/browser \
	    --ignore tests/faults

# What `make test` leaves out: every game and example, four processes, lost ones, whole demos.
long: $(VENV)/test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m long tests \
	    --ignore tests/browser --ignore tests/faults

# Kills, full disks, bad files, hostile runs: every try is a line in build/faults, from which a run
# that was cut off goes on; the table of what was lost is docs/reliability.md.
faults: $(VENV)/test
	GANLOSS_FAULTS=build/faults OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) \
	    --dist worksteal tests/faults
	PYTHONPATH=tests $(BIN)/python -m faults.report build/faults docs/reliability.md

faults-short: $(VENV)/test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal tests/faults

browser: docs
	$(BIN)/python -m pytest tests/browser

check: lint types test docs

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/pyright

docs: $(VENV)/dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

bench: $(VENV)/peers
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) docs/_build build dist

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	touch $@

# torch and torchvision first and together: each torchvision works with one torch build only.
$(VENV)/base: $(VENV)/python pyproject.toml setup.py $(KERNEL)
	$(BIN)/python -m pip install -q --disable-pip-version-check torch torchvision
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	touch $@

$(VENV)/test: $(VENV)/base
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/peers: $(VENV)/test
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[peers]'
	touch $@

$(VENV)/dev: $(VENV)/test
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@
