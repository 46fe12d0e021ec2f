# Every target may be run again at any time; what is done already takes no time.
# `./mallard TARGET` is the same on a system that has no make yet.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

python := .venv/bin/python
# The interpreter and the programs of the environment first, as if it were activated.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
ready := .venv/.ready
node = $$($(python) -c 'from build.stack import node; print(node.program())')
lock = uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header

.PHONY: help setup demo test lint test-js bench bench-queries bench-pages crash stack-test bench-plugins stop clean lock assets screenshots timescaledb \
	agent-binary agent-verify e2e-binary bench-agent crash-agent server-archive ansible-test docs-check audit

help: ## list every command
	@./mallard help

setup: packages-setup $(ready) ## make the virtual environment .venv from the lock

demo: packages-demo ## run all of it on this machine, with real mail; ARGS='--rate 5'
	@$(MAKE) -s -j2 $(ready) timescaledb
	@exec $(python) -m build.demo $(ARGS)

test: packages-test ## check and test all of it; ARGS='-k name' goes to pytest
	@$(MAKE) -s -j2 $(ready) timescaledb
	@failed=; for step in assets lint test-js; do $(MAKE) $$step || failed="$$failed --failed $$step"; done; \
	CHROMIUM=$$($(python) -m build.stack.browser) || exit; export CHROMIUM; \
	exec $(python) -m build.stack exec $$failed postgres redis -- \
		$(python) -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(ready) ## format, lint, types, import directions, templates, migrations
	ruff format --check --quiet .
	ruff check --quiet .
	mypy agent server build
	lint-imports --no-logo
	djlint server --lint --quiet
	@# No database runs here; that its history cannot be compared is no finding.
	DJANGO_SETTINGS_MODULE=server.config.settings.test \
		$(python) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

test-js: $(ready) ## test the plugins that run inside the mail programs, and the pages' scripts
	@set -- $$(find agent/plugins server/dashboard/frontend -path '*/node_modules' -prune \
		-o -path '*/test/*.test.*js' -print); \
	if [ $$# -gt 0 ]; then exec "$(node)" --test "$$@"; fi

bench: packages-test ## measure the whole way of an event; SECONDS=600 for a long run
	@$(MAKE) -j2 $(ready) timescaledb assets
	@exec $(python) -m build.lab throughput --seconds $(or $(SECONDS),15) $(ARGS)

bench-queries: packages-test ## ask a database of 100 million events all that pages ask (fills it once: 20 GB)
	@$(MAKE) -j2 $(ready) timescaledb
	@exec $(python) -m build.lab queries $(ARGS)

bench-pages: packages-test ## time until a page is usable in Chromium, with 30 days of 20 nodes (fills once: minutes)
	@$(MAKE) -j2 $(ready) timescaledb
	@CHROMIUM=$$($(python) -m build.stack.browser) || exit; export CHROMIUM; \
	exec $(python) -m build.lab pages $(ARGS)

crash: packages-test ## kill everything under load and look for losses; CYCLES=n SEED=s
	@$(MAKE) -j2 $(ready) timescaledb assets
	@exec $(python) -m build.lab crash_server --cycles $(or $(CYCLES),25) $(if $(SEED),--seed $(SEED))

stack-test: packages-test ## 5 000 messages through the real mail programs in every mode; MESSAGES=n ARGS='--modes both'
	@$(MAKE) -j2 $(ready) timescaledb assets
	@exec $(python) -m build.lab real_mail --messages $(or $(MESSAGES),5000) $(ARGS)

bench-plugins: packages-test $(ready) ## what the plugins cost ZoneMTA and Haraka; ARGS='--messages 600 --rounds 3'
	@exec $(python) -m build.lab plugin_cost $(ARGS)

stop: ## end the demo and whatever an earlier run left behind
	@[ ! -x $(python) ] || exec $(python) -m build.stack stop

clean: ## stop everything and remove what was made: .run and .venv
	@[ ! -e $(ready) ] || $(python) -m build.stack stop
	rm -rf .run .venv

assets: $(ready) ## copy Tabler and ECharts from the npm registry to where the pages are served
	@exec $(python) -m build.assets

screenshots: packages-screenshots $(ready) ## make the pictures of the README on a server of their own
	@CHROMIUM=$$($(python) -m build.stack.browser) || exit; export CHROMIUM; \
	exec $(python) -m build.screenshots $(ARGS)

agent-binary: packages-binary $(ready) ## make the agent as one file, .dist/mallard-agent, with digest and contents
	@exec $(python) -m build.freeze

bench-agent: packages-test packages-binary $(ready) ## measure what the agent costs a mail node; SECONDS=300
	@exec $(python) -m build.lab agent_cost --seconds $(or $(SECONDS),300)

crash-agent: packages-binary $(ready) ## kill the agent under load and look for losses; KILLS=200 SEED=s
	@exec $(python) -m build.lab crash_agent --kills $(or $(KILLS),200) $(if $(SEED),--seed $(SEED))

e2e-binary: packages-test packages-binary ## put mail through the real programs as `make test` does, with the frozen agent
	@$(MAKE) -s -j2 $(ready) timescaledb assets
	@$(python) -m build.freeze
	@CHROMIUM=$$($(python) -m build.stack.browser) || exit; export CHROMIUM; \
	AGENT_BINARY=.dist/mallard-agent exec $(python) -m build.stack exec postgres redis -- \
		$(python) -m pytest tests/system/e2e tests/build/test_binary.py $(ARGS)

agent-verify: $(ready) ## run that file in minimal roots of the supported systems (root, debootstrap)
	@exec $(python) -m build.freeze verify

server-archive: $(ready) assets ## pack the server as one file, .dist/mallard-server.tar.gz; ARGS='--wheels 3.13'
	@exec $(python) -m build.server_archive $(ARGS)

ansible-test: packages-machines $(ready) ## run the Ansible roles on booted Debian machines (root); ARGS='lint' or '-k name'
	@exec $(python) -m build.ansible_test $(ARGS)

docs-check: packages-demo $(ready) ## follow every link of the documents, run the commands marked as runnable
	@$(MAKE) -s timescaledb
	@exec $(python) -m build.stack exec postgres redis -- $(python) -m build.docs_check $(ARGS)

audit: $(ready) ## ask PyPI and npm for known weaknesses of everything that is locked
	@exec $(python) -m build.audit

lock: $(ready) ## resolve requirements/*.in again into hashed locks
	$(lock) requirements/dev.in -o requirements/dev.txt
	for name in agent server stack build ansible audit; do \
		$(lock) requirements/$$name.in -c requirements/dev.txt -o requirements/$$name.txt || exit; \
	done

packages-%:
	@sh build/stack/system-packages.sh $*

# The compiler works while pip waits for the network.
timescaledb:
	@[ -n "$$DATABASE_URL" ] || sh build/stack/timescaledb.sh build >/dev/null

# Made anew whenever the lock changes.
$(ready): requirements/dev.txt
	@sh build/stack/environment.sh
