#!/bin/sh
# build-id.sh [--committed] PATH...: prints the commit and date of what is packed, 3f2a9c1d.2026-11-30:
# the last commit of the PATHs, with .changed where they are not as it has them. --committed: it is
# exactly that commit that is packed. A copy of the sources without their history is unknown.
set -eu
committed=
if [ "$1" = --committed ]; then
	committed=yes
	shift
fi
id=$(git log -1 --abbrev=8 --format=%h.%cs -- "$@" 2>/dev/null) || id=
if [ -z "$id" ]; then
	id=unknown
elif [ -z "$committed" ] && [ -n "$(git status --porcelain -- "$@")" ]; then
	id=$id.changed
fi
echo "$id"
