# make demo and make test need Python 3.11 or newer with pip, nothing else; they install into .venv.
# On Linux, PyTorch's default wheels contain CUDA and take gigabytes. On a machine without a GPU, set PIP_EXTRA_INDEX_URL to PyTorch's index
# of CPU wheels (its installation page names it) before the first make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check --progress-bar on -c constraints.txt
# Processes of make test (each test file runs in one of them) and of mypy.
JOBS ?= 2
MINUTES ?= 30
CODE := src tests examples benchmarks tools

.PHONY: demo test lint fuzz docs gallery dist rooms clean

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "nint needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	@test -n "$$PIP_EXTRA_INDEX_URL$$PIP_INDEX_URL" || echo "No extra package index is named: on Linux pip takes PyTorch with CUDA, some gigabytes. Without a GPU stop here (Ctrl-C), set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU wheels (its installation page: Linux, Pip, CPU), whose torch is about 200 MB, and call make again."
	@echo "Installing nint and what it needs into $(VENV); pip shows each package as it comes."
	$(PYTHON) -m venv $(VENV)

# Each in one call of pip, one after the other under make -j too; a larger set brings the smaller ones with it.
.NOTPARALLEL:

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP) -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP) -e '.[test]'
	touch $(VENV)/.installed $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	$(PIP) -e '.[test,dev]'
	touch $(VENV)/.installed $(VENV)/.installed-test $@

$(VENV)/.installed-dist: $(VENV)/.installed
	$(PIP) -e '.[dist]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) -e '.[docs]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/nint fit sample:astronaut --max-side 256 --seconds 20 --out demo --force
	@echo "Look at demo/reconstruction.png, demo/error.png, demo/selection.png and demo/curve.png"

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy -n $(JOBS)
	$(BIN)/lint-imports --no-logo
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p no:cacheprovider --doctest-modules src/nint

# Damaged files and extreme options, in child processes with limits; what fails is listed with a command that repeats it.
fuzz: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python tests/robustness/fuzz.py --minutes $(MINUTES)

# The documentation as a site that opens from the disk: site/index.html. Every warning is an error.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Open site/index.html"

# sdist and wheel in dist/, each installed into a fresh environment and tried there. Without a network: DIST="--system-site-packages".
dist: $(VENV)/.installed-dist
	$(BIN)/python tools/smoke_dist.py $(DIST)

# The pictures of the documentation, made by the tool on its own samples; some minutes.
gallery: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python tools/make_gallery.py

# The picture in CONTRIBUTING.md, from the import-linter contract and the imports of the source.
rooms: $(VENV)/.installed-dev
	$(BIN)/python tools/draw_rooms.py

clean:
	rm -rf $(VENV) demo build dist site src/*.egg-info
