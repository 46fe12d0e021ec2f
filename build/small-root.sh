#!/bin/sh
# small-root.sh BASE SIZE FOLDER COMMAND…: runs a command in a mount namespace of its own, which
# `unshare --mount` made, whose root is a file system of SIZE that really fills. All of this machine
# is there, at its place and on its own disk; the empty FOLDER is where / itself can be filled. BASE
# is an empty folder.
set -eu
base=$1 size=$2 folder=$3
shift 3
mount -t tmpfs -o "size=$size" tmpfs "$base"
mkdir "$base/empty" "$base/upper" "$base/work" "$base/root"
# An overlay is what agents know as the root of a container; tmpfs alone is memory to them.
mount -t overlay overlay -o "lowerdir=$base/empty,upperdir=$base/upper,workdir=$base/work,userxattr" "$base/root"
for each in /*; do
    if [ -L "$each" ]; then
        cp -P "$each" "$base/root$each"
    elif [ -d "$each" ]; then
        mkdir "$base/root$each"
        mount --rbind "$each" "$base/root$each"
    fi
done
mkdir "$base/root/$folder"
cd "$base/root"
pivot_root . .
umount -l .
cd /
# A user namespace of its own makes it forget to end with the demo.
exec setpriv --pdeathsig TERM -- "$@"
