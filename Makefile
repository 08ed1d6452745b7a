# Everything the project does, from a machine that has nothing but Python 3.11.5 or newer: each target sets up what it needs.
# Run `make` for the list.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready

PROFILE ?= pocket
# Make variables that become parameters of the notebooks when they stand on the command line (the environment's are ignored):
# `make book TASKS=RTE,STS-B MAX_TRAIN=500`.
SETTABLE := CORPUS TASKS CHECKPOINT SEEDS MAX_TRAIN MAX_EXAMPLES MAX_SCORED MAX_RELEASED MAX_COMPARED EPOCHS BATCH_SIZE LEARNING_RATE \
            N_RANDOM PRECISION STORE FIRST SECOND LAYER HEAD \
            POCKET_TRAIN POCKET_DEV POCKET_SEED POCKET_SEEDS POCKET_EPOCHS POCKET_BATCH POCKET_RATE N_PARSED N_LINKED FRAMES READING GOLD ANNOTATOR OWN_LABELS \
            OWN_MODEL OWN_DATA OWN_TEXT OWN_SECOND OWN_LABEL OWN_CLASSES OWN_FORMAT OWN_SPLIT MAX_OWN MAX_LENGTH TOLERATED WORDS
lower = $(shell printf '%s' '$(1)' | tr 'A-Z' 'a-z')
OVERRIDES = $(strip $(foreach name,$(SETTABLE),$(if $(filter command%,$(origin $(name))),'$(call lower,$(name))=$($(name))')))

.DEFAULT_GOAL := help
.PHONY: help book check reference check-reference shortcuts dry-run audit archive lab patterns bench lint lock clean test test-unit test-notebooks test-book test-browser

help: ## show this list
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18
	@echo
	@echo "For book and check, PROFILE=NAME chooses notebooks/profiles/NAME.yml (now: $(PROFILE)), and these change its values:"
	@echo "  $(SETTABLE)"
	@echo "  as in: make book TASKS=RTE,STS-B SEEDS=0,1,2, or make book PROFILE=glue CORPUS=../shared/glue"
	@echo "  reference and shortcuts take them too; check-reference takes CORPUS, FRAMES, GOLD, CHECKPOINT and STORE"

book: $(READY) ## execute the notebooks and build the book into _build/html
	@$(BIN)/python -m darksecrets book --profile '$(PROFILE)' $(OVERRIDES)

check: $(READY) ## check a profile and show its values, without executing anything
	@$(BIN)/python -m darksecrets check --profile '$(PROFILE)' $(OVERRIDES)

reference: $(READY) ## repeat the reference run, and publish its tables in notebooks/reference (hours)
	@$(BIN)/python -m darksecrets_upkeep reference $(OVERRIDES)

check-reference: $(READY) ## check the published tables, and compute anew what takes less than half an hour
	@$(BIN)/python -m darksecrets_upkeep check-reference $(OVERRIDES)

shortcuts: $(READY) ## fine-tune with and without what saves time, and compare the scores
	@$(BIN)/python -m darksecrets_upkeep shortcuts $(OVERRIDES)

dry-run: $(READY) ## prove profile paper: the whole book on an untrained BERT-base and a few examples per task
	@$(BIN)/python -m darksecrets_upkeep dry-run $(OVERRIDES)

audit: $(READY) ## check the built book: other hosts, links, figures, sizes
	@$(BIN)/python -m tests.audit

archive: audit ## check the built book, and pack it into one file to read offline, in _build/archive
	@$(BIN)/python -m darksecrets archive

lab: $(READY) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

patterns: $(READY) ## train the classifier of attention patterns on the annotated maps anew
	$(BIN)/python -m darksecrets patterns

bench: $(READY) ## measure the attention pass, its analyses, the sweep over heads, and how soon the explorer answers
	$(BIN)/python -m tests.benchmarks.attention_pass
	$(BIN)/python -m tests.benchmarks.attended
	$(BIN)/python -m tests.benchmarks.sweep
	$(BIN)/python -m tests.benchmarks.explorer

test: lint test-browser test-notebooks test-unit test-book ## run all tests, and look at style (-j2: two tiers at a time)

test-unit: $(READY) ## test the library
	$(BIN)/python -m pytest tests/unit

test-notebooks: $(READY) ## run the notebooks with small parameters
	$(BIN)/python -m pytest tests/notebooks

test-book: $(READY) ## test the book's machinery on a small book, and the notebooks' contract
	$(BIN)/python -m pytest tests/book

test-browser: $(READY) ## read the built pages in a headless chromium
	@command -v chromium >/dev/null || echo "!! chromium is not installed: the pages will NOT be looked at (apt-get install chromium)"
	$(BIN)/python -m pytest tests/browser

lint: $(READY) ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lock: ## fix the versions of all packages anew, in lib/constraints.txt
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	grep -v '^-' requirements.txt > $(VENV)-lock/direct.txt
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check -r $(VENV)-lock/direct.txt
	{ echo "# Every package that requirements.txt pulls in, at one version each. Written by \`make lock\`; do not edit."; \
	  $(VENV)-lock/bin/python -m pip freeze | sed 's/+cpu$$//'; } > $(VENV)-lock/constraints.txt
	mv $(VENV)-lock/constraints.txt lib/constraints.txt && rm -rf $(VENV)-lock

clean: ## remove what was built and computed; the environment stays
	rm -rf _build _runs

# The stamp is newer than what it was made from exactly while nothing has to be installed.
$(READY): requirements.txt lib/constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON); install Python 3.11.5 or newer, or name it: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11, 5) else "error: Python %d.%d.%d is too old; 3.11.5 or newer is needed (make PYTHON=python3.11)" % v[:3])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
