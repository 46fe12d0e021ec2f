#!/bin/sh
# Prints the path of a Python from 3.11 on that can make virtual environments; fails when there is none.
for name in python3 python3.13 python3.12 python3.11 python3.14; do
    path=$(command -v "$name") || continue
    "$path" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    echo "$path"
    exit 0
done
echo "mallard: no Python from 3.11 on with its venv module; on Debian: apt-get install python3 python3-venv" >&2
exit 1
