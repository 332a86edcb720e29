# make book and make test do everything, set-up included. `make help` lists the rest.
.DEFAULT_GOAL := help

# The first Python on the path that is new enough; name another one with `make PYTHON=... book`.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)
JOBS ?= 2
BIN := .venv/bin
STAMP := .venv/.installed
BENCHMARKS := _build/benchmarks.json
LIBRARY := $(shell find qupaint_lib -name '*.py')

# Real micrographs beside the checkout are used where they exist; the library knows nothing of them.
ifndef QUPAINT_MICROGRAPHS
ifneq ($(wildcard ../shared/micrographs),)
export QUPAINT_MICROGRAPHS := $(abspath ../shared/micrographs)
endif
endif

.PHONY: help env book test test-browser show benchmarks micrographs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## create .venv with the locked versions

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found on the path:" \
		"install one, or name it with 'make PYTHON=/path/to/python ...'." >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON); a few minutes the first time."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	@touch $@

book: env $(BENCHMARKS) ## execute the chapters, build the book, print the page to open
	$(BIN)/python -m qupaint_lib.reproduce --scale quick --jobs $(JOBS) --book

test: env ## linter, test suite, speed against peers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check qupaint_lib tests book
	$(BIN)/pytest tests --ignore tests/browser --ignore tests/benchmarks -n $(JOBS) --dist loadfile
	$(BIN)/pytest tests/benchmarks

test-browser: env ## look at the built book in headless Chromium
	$(BIN)/pytest tests/browser -n $(JOBS)

show: env ## print what chapters measure: make show CHAPTERS="06 10"
	$(BIN)/python -m qupaint_lib.reproduce $(CHAPTERS) --show

benchmarks: env ## measure the speed against peers again
	$(BIN)/pytest tests/benchmarks

# A ratio below its bar fails `make test`; the book shows what was measured either way.
$(BENCHMARKS): $(LIBRARY) $(wildcard tests/benchmarks/*.py) | env
	@rm -f $@
	$(BIN)/pytest tests/benchmarks --quiet || test -f $@

micrographs: env ## download the 21 public development images (24 MB) into the user's cache
	$(BIN)/python -m qupaint_lib.images

lock: env ## write constraints.txt from what is installed in .venv
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable --local \
		| sed -nE 's/^([A-Za-z0-9._-]+==[^+ ]+)(\+[a-z0-9.]+)?$$/\1/p'; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt && touch $(STAMP)

clean: ## remove everything that was generated, but not .venv
	rm -rf _build .pytest_cache .ruff_cache .hypothesis .benchmarks
