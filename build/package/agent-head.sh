#!/bin/sh
# Mallard's agent for x86-64 Linux with glibc 2.35 or newer: this script and, behind it, a gzipped
# tar of the frozen program. It unpacks once per version, under the agent's own directory and never
# in /tmp (which may be noexec, and is cleaned), and becomes the program: one process.
#
# Made by `make agent-binary`; its contents are listed in the .cdx.json beside it.
set -eu
id=@ID@
digest=@DIGEST@
first_line=@FIRST_LINE@

# All it reports are errors; where standard error is the journal, it reads that from the prefix.
report() {
    priority=
    [ "${JOURNAL_STREAM:--}" != "$(stat -L -c %d:%i /proc/$$/fd/2 2>/dev/null)" ] || priority='<3>'
    printf '%smallard-agent: %s\n' "$priority" "$*" >&2
}

# Ours alone: a directory that another user owns or may write to could get other contents between
# two starts.
ours() {
    [ -d "$1" ] && [ -O "$1" ] || return 1
    case $(stat -L -c %A "$1") in d????-??-?) ;; *) return 1 ;; esac
}

# And programs may run from it: a file system may be mounted noexec, as /run is.
usable() {
    ours "$1" || return 1
    probe=$1/.probe.$$
    (umask 077 && : >"$probe" && chmod 700 "$probe") 2>/dev/null || return 1
    if [ -x "$probe" ]; then rm -f "$probe"; else rm -f "$probe"; return 1; fi
}

choose_place() {
    named=${MALLARD_AGENT_UNPACK_DIR:-${AGENT_STATE_DIR:-}}
    cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    if [ -n "$named" ]; then (umask 027 && mkdir -p "$named") 2>/dev/null || :; fi
    for place in "$named" /var/lib/mallard-agent "${cache:+$cache/mallard-agent}"; do
        [ -n "$place" ] || continue
        if [ "$place" = "$cache/mallard-agent" ]; then
            (umask 077 && mkdir -p "$place") 2>/dev/null || continue
        fi
        ours "$place" || continue
        (umask 077 && mkdir -p "$place/program") 2>/dev/null || continue
        place=$place/program
        usable "$place" && return
    done
    report "there is no directory to unpack in. Tried${named:+ $named,} /var/lib/mallard-agent and" \
        "${cache:-a home}/mallard-agent: one of them must exist, belong to $(id -un), be writable" \
        "for nobody else (chmod go-w) and allow programs (no noexec)." \
        "Set MALLARD_AGENT_UNPACK_DIR to such a directory."
    exit 1
}

unpack() {
    rm -rf "$fresh"
    (umask 022 && mkdir "$fresh")
    if [ "$(tail -n +$first_line "$0" | sha256sum)" != "$digest  -" ]; then
        rm -rf "$fresh"
        report "$0 is damaged: copy it again, and compare its sha256"
        exit 1
    fi
    if ! tail -n +$first_line "$0" | tar -xz --no-same-owner -C "$fresh"; then
        rm -rf "$fresh"
        report "cannot unpack into $place: is the disk full?"
        exit 1
    fi
    sync -f "$fresh" 2>/dev/null || sync  # or a power cut could leave the name without the contents
    # Another start may have been faster: then its copy serves.
    mv -T "$fresh" "$program" 2>/dev/null || rm -rf "$fresh"
}

# Remove old versions and the leftovers of killed starts, unless a process holds their lock or lives.
sweep() {
    for old in "$place"/agent-* "$place"/.unpacking.* "$place"/.probe.*; do
        case $old in
            *'*' | "$program") continue ;;
            "$place"/agent-*)
                # Renamed first: half a program must not pass for a complete one.
                (flock -n -x 8 && mv -T "$old" "$fresh" && rm -rf "$fresh") 2>/dev/null 8<"$old" || :
                ;;
            *) kill -0 "${old##*.}" 2>/dev/null || rm -rf "$old" ;;
        esac
    done
}

choose_place
program=$place/agent-$id
fresh=$place/.unpacking.$$
tries=3
until
    # Held as long as the program lives, through exec: no other version sweeps it away meanwhile.
    [ -x "$program/agent" ] && exec 9<"$program" && flock -s 9 && [ -x "$program/agent" ]
do
    [ $tries -gt 0 ] || { report "cannot unpack into $place"; exit 1; }
    tries=$((tries - 1))
    unpack
done
sweep
unset MALLARD_AGENT_UNPACK_DIR
# One pool of memory for its dozen threads instead of one each: 4 MB less. The memory of a large batch
# goes back to the system; by itself the C library raises these bounds with each such batch.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-1}"
export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-131072}"
export MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-131072}"
exec "$program/agent" "$@"
