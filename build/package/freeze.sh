#!/bin/sh
# Freeze the agent into a folder, from an environment that holds exactly what the lock names:
#     freeze.sh PYTHON WORK      makes WORK/venv and WORK/dist/agent
set -eu
python=$1
work=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$work/venv" "$work/dist"
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
	-r "$root/requirements/build.txt"
# The same sources give the same sets in the same order; nothing of the person's settings.
export PYTHONHASHSEED=1 PYINSTALLER_CONFIG_DIR="$work/config" BUILD_ID_FILE="$work/build-id"
exec "$work/venv/bin/python" -m PyInstaller --noconfirm --clean --workpath "$work/work" \
	--distpath "$work/dist" "$root/build/package/agent.spec"
