#!/bin/sh
# Boots a Debian root as a machine: its own processes, mounts, network and control groups, systemd as
# its first process. Only util-linux is needed. The machine writes beside the root, in
# HOME/upper; the root itself stays as it is.
#
#   boot.sh ROOT HOME      as root; ends when the machine does, and takes it along when it is killed
set -eu
root=$1 home=$2

mkdir -p "$home/upper" "$home/work" "$home/merged"
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ -z "$groups" ]; then
    echo "boot.sh: no cgroup2 is mounted here, and systemd needs it" >&2
    exit 1
fi
mkdir -p "$groups/mallard-ansible-$$"
echo $$ >"$groups/mallard-ansible-$$/cgroup.procs"
echo "$groups/mallard-ansible-$$" >"$home/cgroup"

# shellcheck disable=SC2016
exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup sh -c '
    set -eu
    root=$1 home=$2
    mount --make-rprivate /
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$home/upper,workdir=$home/work" "$home/merged"
    cd "$home/merged"
    mount -t proc proc proc
    # The kernel is the host'"'"'s: its settings are not the machine'"'"'s to change.
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs tmpfs tmp
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/pts dev/shm
    for device in null zero full random urandom tty; do
        touch dev/$device
        mount --bind /dev/$device dev/$device
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
    mount -t tmpfs tmpfs dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    hostname machine
    mkdir -p .old
    pivot_root . .old
    umount -l /.old
    exec env -i container=mallard PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /sbin/init --log-target=console </dev/null
' boot "$root" "$home"
