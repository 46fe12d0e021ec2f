#!/bin/sh
# Makes .venv and installs exactly what requirements/dev.txt names into it, hashes checked.
set -eu
cd "$(dirname "$0")/../.."
log=.run/log/environment.log
mkdir -p .run/log

# Ubuntu 22.04 has a release candidate of Python 3.11, and the pip that comes with it takes every
# condition on the Python version (`; python_version < "3.12"`) to be false there.
newer_pip='pip==26.3 --hash=sha256:f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13'

report() { printf 'mallard: %s\n' "$*" >&2; }

install() {
    if ! .venv/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes \
        -r "$1" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        report "pip failed: see above, all of it in $log"
        exit 1
    fi
}

# An environment whose Python was upgraded away does not run any more.
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    interpreter=$(sh build/setup/python.sh)
    rm -rf .venv
    "$interpreter" -m venv .venv
fi
# By content, not by time: a checkout of another branch and back changes nothing.
lock=$(sha256sum <requirements/dev.txt)
if [ "$lock" = "$(cat .venv/.ready 2>/dev/null)" ]; then
    touch .venv/.ready
    exit 0
fi
report "installing the locked Python packages into .venv (once, about a minute; log: $log)"
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info.releaselevel != "final")'; then
    echo "$newer_pip" >.venv/newer-pip.txt
    install .venv/newer-pip.txt
fi
install requirements/dev.txt
echo "$lock" >.venv/.ready
