# The workbook's commands. Each installs into .venv by itself: first time, and when the requirements change.

PROFILE ?= quick
DATASET ?= signs
DATA_ROOT ?=
PYTHON ?=

OLDEST = 3.11
NEWEST = 3.13
CANDIDATES = $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11)
# What .venv was made from: content of the requirements, and the place that the editable install points to.
STAMP = $(shell cat requirements.lock pyproject.toml | cksum) $(CURDIR)
IN_VENV = .venv/bin/python

.PHONY: help run test lab bench reference lock install venv

help:
	@echo "make run    run the workbook       PROFILE=smoke|quick|full DATASET=signs|gtsrb|... DATA_ROOT=folder"
	@echo "make test   run all tests"
	@echo "make lab    open the notebooks in JupyterLab, on this machine only"
	@echo "make bench  measure how fast the parts are here     DATA_ROOT=folder"
	@echo "make reference  keep the tables and figures of a run in outputs/reference"
	@echo "make lock   resolve requirements.lock anew from pyproject.toml"
	@echo "Choose the interpreter ($(OLDEST) to $(NEWEST)) with PYTHON=/path/to/python3."

run: install
	@$(IN_VENV) -m helpers run --profile "$(PROFILE)" --dataset "$(DATASET)" $(if $(DATA_ROOT),--data-root "$(DATA_ROOT)")

test: install
	@$(IN_VENV) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lab: install
	@$(IN_VENV) -m jupyterlab --ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" $(if $(filter 0,$(shell id -u)),--allow-root)

bench: install
	@$(IN_VENV) -m helpers bench $(if $(DATA_ROOT),--data-root "$(DATA_ROOT)")

# Keep what a run found, for the README and for whoever compares; KEEP=tables leaves the figures out.
KEEP ?= tables figures

reference: install
	@$(IN_VENV) -c 'import sys; from helpers import outputs; outputs.keep(*sys.argv[1:3], sys.argv[3:])' "$(PROFILE)" "$(DATASET)" $(KEEP)

lock: venv
	@$(IN_VENV) -m pip install -qq --upgrade --target .tools/uv uv
	@PYTHONPATH=.tools/uv $(IN_VENV) -m uv pip compile --quiet --universal --python-version $(OLDEST) --extra dev \
	    --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
	    pyproject.toml --output-file requirements.lock

# The stamp goes first and comes back last, so that the next call repairs an interrupted installation.
install: venv
	@if [ "$$(cat .venv/installed 2>/dev/null)" != "$(STAMP)" ]; then \
	    rm -f .venv/installed; \
	    echo "installing into .venv (several minutes and 3 GB the first time) ..."; \
	    $(IN_VENV) -m pip install -qq --requirement requirements.lock && \
	    $(IN_VENV) -m pip install -qq --no-deps --no-build-isolation --editable . && \
	    echo "$(STAMP)" > .venv/installed && echo "installed"; \
	fi

venv:
	@$(IN_VENV) -m pip --version >/dev/null 2>&1 && exit 0; \
	for python in $(CANDIDATES); do \
	    "$$python" -c 'import sys; low, high = (tuple(map(int, v.split("."))) for v in sys.argv[1:]); \
	        sys.exit(not low <= sys.version_info[:2] <= high)' $(OLDEST) $(NEWEST) 2>/dev/null && found=$$python && break; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "No Python $(OLDEST) to $(NEWEST) among: $(CANDIDATES)."; \
	    echo "Install one, or name it: make run PYTHON=/path/to/python3"; exit 1; \
	fi; \
	echo "making .venv with $$($$found --version)"; \
	rm -rf .venv; \
	"$$found" -m venv .venv >/dev/null 2>&1 && exit 0; \
	echo "its module venv does not work here, trying virtualenv"; \
	rm -rf .venv; \
	if "$$found" -m pip install -qq --upgrade --target .tools/virtualenv virtualenv && \
	    PYTHONPATH=.tools/virtualenv "$$found" -m virtualenv --quiet .venv; then exit 0; fi; \
	echo "Neither venv nor pip works for $$found. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1
