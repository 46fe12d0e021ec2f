#!/bin/sh
# A PostgreSQL server with TimescaleDB in it, without changing the system's.
#
#   timescaledb.sh server    print the newest PostgreSQL of the system from version 14 on
#   timescaledb.sh bindir    print the programs' folder of a server that has TimescaleDB, or fail
#   timescaledb.sh build     make one under .run/pgsql where there is none, then print its folder
#
# Made by copying the system's PostgreSQL, which finds its own files relative to itself, and building
# the Apache edition into the copy. The build needs no root; its packages are in system-packages.sh.
# POSTGRES_BINDIR names the programs' folder of another server that has TimescaleDB, to be used instead.
set -eu

version=2.19.3
# Debian 13's source, as its signed index has it. One source builds for PostgreSQL 14 to 17.
source_file=timescaledb_$version+dfsg.orig.tar.xz
source_sha256=09fd11191768c220b071f61a108df9bd1df5522fbe4e7c2229f30f69b195454a
oldest_major=14

root=$(cd "$(dirname "$0")/../.." && pwd)
private=$root/.run/pgsql
log=$root/.run/log/timescaledb-build.log

report() { printf 'mallard: %s\n' "$*" >&2; }
die() { report "$*"; exit 1; }
by_hand="Or give the address of a PostgreSQL with TimescaleDB: DATABASE_URL=postgres://user:password@host:5432/name (the role needs CREATEDB for tests)."

system_bindirs() {
    # Newest first; whatever pg_config is on the path comes last.
    for major in 19 18 17 16 15 14; do
        [ -x "/usr/lib/postgresql/$major/bin/postgres" ] && echo "/usr/lib/postgresql/$major/bin"
    done
    command -v pg_config >/dev/null 2>&1 && pg_config --bindir 2>/dev/null
    return 0
}

major_of() { "$1/postgres" --version 2>/dev/null | sed -E 's/^[^0-9]*([0-9]+).*/\1/'; }

system_server() {
    for bindir in $(system_bindirs); do
        [ -x "$bindir/postgres" ] && [ -x "$bindir/initdb" ] || continue
        [ "$(major_of "$bindir")" -ge "$oldest_major" ] || continue
        echo "$bindir"
        return 0
    done
    return 1
}

has_timescaledb() {
    [ -x "$1/pg_config" ] && [ -x "$1/initdb" ] && [ "$(major_of "$1")" -ge "$oldest_major" ] &&
        [ -e "$("$1/pg_config" --sharedir)/extension/timescaledb.control" ]
}

system_server_with_timescaledb() {
    for bindir in $(system_bindirs); do
        if has_timescaledb "$bindir"; then
            echo "$bindir"
            return 0
        fi
    done
    return 1
}

# The origin of the private copy; a newer system PostgreSQL makes the copy stale.
stamp_of() { echo "$("$1/postgres" --version); timescaledb $version"; }

private_server() {
    server=$(system_server) || return 1
    [ "$(cat "$private/stamp" 2>/dev/null)" = "$(stamp_of "$server")" ] || return 1
    echo "$private/lib/postgresql/$(major_of "$server")/bin"
}

bindir() {
    if [ -n "${POSTGRES_BINDIR:-}" ]; then
        has_timescaledb "$POSTGRES_BINDIR" ||
            die "POSTGRES_BINDIR=$POSTGRES_BINDIR has no PostgreSQL (from version $oldest_major on) with TimescaleDB"
        echo "$POSTGRES_BINDIR"
        return 0
    fi
    system_server_with_timescaledb || private_server
}

debian_mirrors() {
    # The mirror this machine already uses, then Debian's own (Ubuntu has no such source package).
    [ -z "${DEBIAN_MIRROR:-}" ] || echo "${DEBIAN_MIRROR%/}"
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        grep -v '^[[:space:]]*#' | grep -oE '[a-z+]+:/+[^[:space:]]+/debian/?([[:space:]]|$)' |
        sed -E 's,/?[[:space:]]*$,,' | sort -u
    for host in deb ftp; do echo "http://$host.debian.org/debian"; done
}

download() {
    # apt's own downloader: it knows the machine's proxy and checks the hash.
    for mirror in $(debian_mirrors); do
        echo "from $mirror"
        /usr/lib/apt/apt-helper download-file \
            "$mirror/pool/main/t/timescaledb/$source_file" "$1" "SHA256:$source_sha256" && return 0
        rm -f "$1"
    done
    return 1
}

add_headers() {
    # Only the headers of that package: installed, it would draw in 900 MB of LLVM.
    package=postgresql-server-dev-$1
    server_headers=$2/include/postgresql/$1/server
    if [ -e "/usr/include/postgresql/$1/server/postgres.h" ]; then
        server_headers=/usr/include/postgresql/$1/server
        return
    fi
    installed=$(dpkg-query -W -f='${Version}' "postgresql-$1")
    (
        cd "$2/work"
        # The version that is installed, where the sources still have it.
        apt-get -q download "$package=$installed" || apt-get -q download "$package"
        dpkg -x "$package"_*.deb headers
    )
    mkdir -p "$2/include/postgresql"
    cp -r "$2/work/headers/usr/include/postgresql/$1" "$2/include/postgresql/"
}

make_private() {
    server=$1
    target=$2
    major=$(major_of "$server")
    prefix=${server%/lib/postgresql/*}
    mkdir -p "$target/lib/postgresql" "$target/share/postgresql" "$target/work"
    cp -r "$prefix/lib/postgresql/$major" "$target/lib/postgresql/"
    cp -rL "$prefix/share/postgresql/$major" "$target/share/postgresql/"
    add_headers "$major" "$target"

    # The copy's own pg_config, but for the server's headers and the system's client headers.
    cat >"$target/work/pg_config" <<WRAPPER
#!/bin/sh
case "\$*" in
    --includedir-server) echo "$server_headers" ;;
    --includedir | --pkgincludedir) "$server/pg_config" "\$@" ;;
    *) exec "$target/lib/postgresql/$major/bin/pg_config" "\$@" ;;
esac
WRAPPER
    chmod +x "$target/work/pg_config"

    download "$target/work/source.tar.xz" || return 1
    mkdir "$target/work/source"
    tar -xJf "$target/work/source.tar.xz" -C "$target/work/source" --strip-components=1
    cmake -S "$target/work/source" -B "$target/work/build" -DPG_CONFIG="$target/work/pg_config" \
        -DCMAKE_BUILD_TYPE=Release -DAPACHE_ONLY=1 -DREGRESS_CHECKS=OFF -DTAP_CHECKS=OFF \
        -DWARNINGS_AS_ERRORS=OFF -DUSE_TELEMETRY=OFF -DSEND_TELEMETRY_DEFAULT=OFF
    make -C "$target/work/build" -j "$(nproc)"
    make -C "$target/work/build" install
    rm -rf "$target/work" "$target/include"
    stamp_of "$server" >"$target/stamp"
}

build() {
    bindir && return 0
    server=$(system_server) ||
        die "no PostgreSQL from version $oldest_major on is installed (on Debian: apt-get install postgresql). $by_hand"
    report "building TimescaleDB $version for $("$server/postgres" --version | sed 's/^postgres (PostgreSQL) /PostgreSQL /') into .run/pgsql (once, about 20 seconds on two cores; log: ${log#"$root"/})"
    mkdir -p "$(dirname "$log")"
    # Two commands at once build it once.
    exec 9>"$root/.run/pgsql.lock"
    flock 9
    bindir && return 0
    rm -rf "$private"
    # A shell with -e of its own: in a condition -e would be off, and a failed step be overlooked.
    if ! sh "$0" make-private "$server" "$private" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "TimescaleDB could not be built: see above, all of it in ${log#"$root"/}. $by_hand"
    fi
    bindir
}

case ${1:-} in
    server) system_server ;;
    bindir) bindir ;;
    build) build ;;
    make-private) make_private "$2" "$3" ;;
    *) die "usage: timescaledb.sh server|bindir|build" ;;
esac
