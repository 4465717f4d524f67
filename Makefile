# make run    execute every notebook and render it under build/
# make test   ruff, mypy, the tests, and every stored output compared with what it prints now
# make test-thorough   the tests that take long, which CI runs each time: attacks, killed servers, the book against a second model
# make lab    open the notebooks in JupyterLab
# make soak   kill servers under load at 200 random moments (25 minutes, Linux)
# make fuzz   send 10,000 requests, valid and odd, made from the server's own schema
# make frameworks   run old frameworks' own examples, each in an environment of its own
# make test-live   run the notebooks against the model that .env or the environment names
# make lock   after a change of the requirements: resolve them anew for all systems

PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
READY := .venv/.installed

.PHONY: run test test-thorough test-live lab bench soak fuzz frameworks refresh lock install

run: $(READY)
	$(PY) -m notebooks.book.run

test: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -m "not thorough"

test-thorough: $(READY)
	$(PY) -m pytest -m thorough

test-live: $(READY)
	$(PY) -m notebooks.book.live

lab: $(READY)
	$(PY) -m jupyterlab notebooks/00_start_here.ipynb

bench: $(READY)
	$(PY) -m tests.benchmarks.run

soak: $(READY)
	$(PY) -m tests.soak.run

fuzz: $(READY)
	$(PY) -m tests.fuzz.run

frameworks: $(READY)
	$(PY) -m tests.frameworks.run

# For maintainers: write the navigation lines and store the outputs anew.
refresh: $(READY)
	$(PY) -m notebooks.book.refresh
	$(PY) -m ruff format notebooks

# For maintainers: resolve requirements.txt for all systems and Pythons, and uv, which installs them.
# What is locked already stays where it fits; empty requirements.lock first to get what is newest.
UV := uv==0.13.9
LOCK_PY := $(BIN:.venv/%=build/lock/%)/python
COMPILE := $(LOCK_PY) -m uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --custom-compile-command "make lock"
lock:
	$(PYTHON) -m venv build/lock
	$(LOCK_PY) -m pip install --quiet --disable-pip-version-check $(UV)
	$(COMPILE) requirements.txt -o requirements.lock
	echo $(UV) | $(COMPILE) - -o requirements-uv.lock

install: $(READY)

# uv does in seconds what pip does in minutes. Where it cannot be had, or cannot reach the packages
# (it reads its own settings of indexes and proxies, not pip's), pip installs the same list.
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
$(READY): requirements.lock requirements-uv.lock
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements-uv.lock && $(PY) -m uv pip install --quiet --require-hashes -r requirements.lock \
		|| (echo uv could not install requirements.lock. pip does it now, and takes minutes. \
		&& $(PIP) -r requirements.lock)
	$(PY) -m notebooks.book.bytecode
	$(PY) -c "open('$(READY)', 'w').close()"
