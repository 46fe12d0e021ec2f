#!/bin/sh
# server-files.sh PYTHON FOLDER SOURCE...: writes the committed SOURCEs into FOLDER, and below its
# install/ what the Ansible roles write with their defaults, for an installation by hand.
set -eu
python=$1 folder=$2
shift 2
git archive --output="$folder/committed.tar" HEAD -- "$@" ansible
tar -x -C "$folder" -f "$folder/committed.tar"
"$python" "$folder/ansible/rendering.py" "$folder/install"
sh build/package/build-id.sh --committed "$@" >"$folder/server/build-id"
rm -r "$folder/committed.tar" "$folder/ansible"
