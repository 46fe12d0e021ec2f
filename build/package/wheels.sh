#!/bin/sh
# Collect the server's locked packages for a version of Python, as wheels:
#     wheels.sh PYTHON VERSION FOLDER
set -eu
python=$1
version=$2
folder=$3
"$python" -m pip download --quiet --dest "$folder" --no-deps --require-hashes --implementation cp \
	--python-version "$version" --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
	--platform manylinux2014_x86_64 --requirement requirements/server.txt
# A package that is published only as source is built here; its wheel must fit every machine.
for source in "$folder"/*.tar.gz; do
	[ ! -e "$source" ] || "$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$source"
done
