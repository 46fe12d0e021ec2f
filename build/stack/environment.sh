#!/bin/sh
# Makes .venv and installs exactly what requirements/dev.txt names into it, hashes checked.
set -eu
cd "$(dirname "$0")/../.."
log=.run/log/environment.log
mkdir -p .run/log

say() { printf 'mallard: %s\n' "$*" >&2; }

# An environment whose Python was upgraded away does not run any more.
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    interpreter=$(sh build/stack/python.sh)
    rm -rf .venv
    "$interpreter" -m venv .venv
fi
say "installing the locked Python packages into .venv (once, about a minute; log: $log)"
if ! .venv/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes \
    -r requirements/dev.txt >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "pip failed: see above, all of it in $log"
    exit 1
fi
touch .venv/.ready
