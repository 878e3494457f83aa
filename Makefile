# Two commands to know: `make demo` and `make test`. Everything runs in ./.venv, made on demand.

PYTHON ?= python3
BIN := .venv/bin
DEPS := setup.cfg pyproject.toml
ARGS ?=
# Test files side by side, one a core; one process, in order: `make test SIDE=`
SIDE ?= -n auto --no-loadscope-reorder
# What the tests of the neural engines run on; `make test TORCH=` does without, and skips them.
TORCH ?= torch==2.13.0

, := ,

.PHONY: help demo serve test check bench clean

help:
	@echo "make demo   a Mandarin and an English talking video, in ./demo"
	@echo "make serve  the server and its web page (ARGS='--port 8010')"
	@echo "make test   the whole test suite"
	@echo "make check  ruff, mypy --strict, the fast tests"
	@echo "make bench  the figures of docs/performance.md (ARGS='NAME ... --json')"
	@echo "make clean  remove .venv, caches and ./demo"

.venv/base: $(DEPS)
	@scripts/venv.sh "$(PYTHON)" . ""
	@touch $@

.venv/test: $(DEPS)
	@scripts/venv.sh "$(PYTHON)" ".[test$(if $(TORCH),$(,)neural)]" "$(TORCH)"
	@touch .venv/base $@

demo: .venv/base
	@$(BIN)/python -m server.cli demo

serve: .venv/base
	@$(BIN)/lipstream serve $(ARGS)

test: .venv/test
	@$(BIN)/python -m pytest $(SIDE) $(ARGS)

check: .venv/test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest $(SIDE) -m "not slow" $(ARGS)

bench: .venv/test
	@$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
