# Every target may be run again at any time; finished steps take no time.
# `./mallard TARGET` is the same on a system that has no make yet. Everything else is a module of
# build/ (`python -m build.…`), listed in CONTRIBUTING.md.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

python := .venv/bin/python
# The interpreter and the programs of the environment first, as if it were activated.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Images of containers often set it. Then each process compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE
ready := .venv/.ready
lock = uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header
parts := .types .format .imports .templates .migrations .javascript
# One more than there are processors, for tests that wait for programs; no more than four.
processes := $(shell echo $$(( $$(nproc) < 3 ? $$(nproc) + 1 : 4 )))
pytest := $(python) -m pytest --numprocesses $(processes) --dist loadfile --no-loadscope-reorder

.PHONY: help setup demo check test bench crash agent-binary server-archive lock stop clean timescaledb \
	$(parts) .parts .unit .pytest

help: ## list every command
	@./mallard help

setup: packages-setup $(ready) ## make the virtual environment .venv from the lock

demo: packages-demo ## run all of it on this machine, with real mail; ARGS='--rate 5'
	@$(MAKE) -s -j2 $(ready) timescaledb
	@exec $(python) -m build.demo $(ARGS)

check: packages-setup $(ready) ## format, lint, types, imports, unit tests; starts no service
	@exec $(MAKE) -s -k -j2 --output-sync=target $(parts) .unit

test: packages-test ## check and test all of it; ARGS='-k name' runs some tests with the services they need
	@$(MAKE) -s -j2 $(ready) timescaledb
	@exec $(MAKE) -s -k -j2 $(if $(ARGS),,.parts) .pytest

bench: packages-test ## measure the path of an event; SECONDS=600 for a long run
	@$(MAKE) -s -j2 $(ready) timescaledb
	@exec $(python) -m build.lab throughput --seconds $(or $(SECONDS),15) $(ARGS)

crash: packages-test ## kill everything under load and look for losses; CYCLES=n SEED=s
	@$(MAKE) -s -j2 $(ready) timescaledb
	@exec $(python) -m build.lab crash_server --cycles $(or $(CYCLES),25) $(if $(SEED),--seed $(SEED))

agent-binary: packages-binary $(ready) ## make the agent as one file, .dist/mallard-agent, with digest and contents
	@exec $(python) -m build.package.freeze

server-archive: packages-setup $(ready) ## pack the server as one file, .dist/mallard-server.tar.gz; ARGS='--wheels 3.13'
	@$(python) -m build.package.assets
	@exec $(python) -m build.package.server_archive $(ARGS)

lock: $(ready) ## resolve requirements/*.in again into hashed locks
	$(lock) requirements/dev.in -o requirements/dev.txt
	for name in agent server stack build ansible audit; do \
		$(lock) requirements/$$name.in -c requirements/dev.txt -o requirements/$$name.txt || exit; \
	done

stop: ## end the demo and whatever an earlier run left behind
	@[ ! -x $(python) ] || exec $(python) -m build.stack stop

clean: ## stop everything and remove .run and .venv
	@[ ! -e $(ready) ] || $(python) -m build.stack stop
	rm -rf .run .venv

# The parts of `check` and `test`: when one fails the others still run. In `test` they run beside the
# tests, which often wait; what a part prints comes in one piece.
.parts:
	@exec $(MAKE) -s -k --output-sync=target $(parts)

.format:
	@ruff format --check --quiet .
	@ruff check --quiet .

.types:
	@mypy agent server build

.imports:
	@lint-imports --no-logo

.templates:
	@djlint server --lint --quiet

.migrations:
	@# No database runs here; that its history cannot be compared is no finding.
	@DJANGO_SETTINGS_MODULE=server.config.settings.test \
		$(python) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

.javascript:
	@# The plugins that run inside the mail programs change what is global there: a process a file.
	@node="$$($(python) -c 'from build.stack.packages import node_program; print(node_program())')"; \
	tests() { find "$$@" -path '*/node_modules' -prune -o -name '*.test.*js' -print; }; \
	"$$node" --test --test-reporter=dot $$(tests agent/plugins) && \
	exec "$$node" --test --test-isolation=none --test-reporter=dot $$(tests server/dashboard tests)

.unit:
	@# Many of these tests wait for threads: more processes than cores.
	@$(pytest) --numprocesses 4 --quiet -p no:schemathesis tests/unit

.pytest:
	@exec $(pytest) $(ARGS)

packages-%:
	@sh build/setup/system-packages.sh $*

# The compiler works while pip waits for the network.
timescaledb:
	@[ -n "$$DATABASE_URL" ] || sh build/setup/timescaledb.sh build >/dev/null

# Made anew whenever the lock changes.
$(ready): requirements/dev.txt
	@sh build/setup/environment.sh
