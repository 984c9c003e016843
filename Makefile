# `make setup` needs Python 3.11 or newer and pip, nothing else; every other target runs it where it is due.
PYTHON ?= python3
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date

# Large temporary tensors go back to the system after every step with glibc's defaults: a fifth of the time of
# training on the CPU (and of the test suite).
ifeq ($(shell uname),Linux)
export MALLOC_MMAP_THRESHOLD_ := 4294967296
export MALLOC_TRIM_THRESHOLD_ := 4294967296
export MALLOC_TOP_PAD_ := 268435456
endif

# Plugins of a Python whose packages the environment shares have no business in this suite.
PYTEST := OMP_NUM_THREADS=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/python -m pytest -p xdist -p hypothesispytest -n $(JOBS)

# Any of these drives the tests of the pages.
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable

.PHONY: help setup test test-core test-slow lint format types demo tour web bench clean

help:
	@echo "make setup      environment in $(VENV) with $(BIN)/yoto (PYTHON=$(PYTHON))"
	@echo "make test       the fast tests, under five minutes on two cores (JOBS=$(JOBS))"
	@echo "make test-core  the core's own, under 20 seconds"
	@echo "make test-slow  the slow ones, under ten minutes"
	@echo "make lint       ruff: rules and formatting; make format applies what it can"
	@echo "make types      mypy --strict"
	@echo "make demo       the page with the sliders, with the bundled models"
	@echo "make tour       train and compare on the embedded digits, then show the report"
	@echo "make web        fetch with npm what yoto demo --static runs networks with, and what tests accessibility"
	@echo "make bench      the benchmarks"
	@echo "make clean      remove caches and build/"

setup: $(STAMP)

# A torch that PYTHON already has is kept (it may be the one that suits the machine's GPU); otherwise the tested
# one is installed first, so that nothing else decides which.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "yoto needs Python 3.11 or newer: make setup PYTHON=python3.12"; exit 1; }
	@if [ ! -x $(BIN)/python ]; then \
	  if $(PYTHON) -c '$(HAS_TORCH)' >/dev/null 2>&1; then own=--system-site-packages; else own=; fi; \
	  echo "$(PYTHON) -m venv $$own $(VENV)"; $(PYTHON) -m venv $$own $(VENV); \
	fi
	@$(BIN)/python -c '$(HAS_TORCH)' >/dev/null 2>&1 \
	  || $(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	@version=$$($(BIN)/python -c '$(HAS_TORCH)'); \
	sed "s/^torch==.*/torch==$$version/" constraints.txt > $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet -c $(VENV)/constraints.txt -e ".[dev]"
	@touch $@

# Prints the version of torch, or fails where there is none that is new enough.
HAS_TORCH := from importlib.metadata import version; v = version("torch"); print(v); \
  raise SystemExit(tuple(map(int, v.split(".")[:2])) < (2, 11))

test: $(STAMP)
	@for name in "$$YOTO_CHROMIUM" $(BROWSERS); do command -v "$$name" >/dev/null && exit 0; done; \
	echo "No Chromium found: the tests of the pages are skipped. Debian: apt install chromium; or YOTO_CHROMIUM=PATH."
	$(PYTEST)

# Loss spaces, conditioning, objectives, curves, bundles: what a base install serves.
CORE := tests/space tests/conditioning tests/objective tests/curves tests/test_bundle.py
test-core: $(STAMP)
	$(PYTEST) $(CORE)

test-slow: $(STAMP)
	$(PYTEST) -m slow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

# MODEL=runs/mine gives a model of yours a page too.
demo: $(STAMP)
	@$(BIN)/yoto demo $(MODEL)

tour: $(STAMP)
	$(BIN)/yoto compare vae/digits -o build/tour --jobs $(JOBS)
	@echo "Report: $(CURDIR)/build/tour/report.html"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
	  $(BIN)/python -m webbrowser "file://$(CURDIR)/build/tour/report.html" >/dev/null; \
	fi

# An exact version; npm checks what it downloads against the digests of the registry.
ONNXRUNTIME_WEB := 1.30.0
AXE := 4.14.1
VENDOR := src/yoto/web/static/vendor
web:
	@command -v npm >/dev/null || { echo "make web needs npm, which comes with Node.js. Found none."; exit 1; }
	npm install --prefix build/web --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel error \
	  --save-exact onnxruntime-web@$(ONNXRUNTIME_WEB) axe-core@$(AXE)
	@mkdir -p $(VENDOR)
	cd build/web/node_modules/onnxruntime-web/dist && \
	  cp ort.wasm.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm $(CURDIR)/$(VENDOR)/
	cp scripts/onnxruntime-web.LICENSE.txt $(VENDOR)/

bench: $(STAMP)
	@for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -exec rm -rf {} +
