#!/bin/sh
# Run a program of PostgreSQL, which refuses to run as root, as the user postgres if we are root:
#     as-postgres.sh FOLDER COMMAND …      FOLDER is one that this user must be able to enter
set -eu
folder=$1
shift
[ "$(id -u)" = 0 ] || exec "$@"
if ! id postgres >/dev/null 2>&1; then
	echo "PostgreSQL does not run as root and there is no user named postgres: add one" >&2
	exit 1
fi
identity="--reuid postgres --regid postgres --clear-groups --pdeathsig INT"
if ! setpriv $identity -- test -x "$folder"; then
	# A checkout under /root, for example, is closed to that user. The right to pass through closed
	# folders costs less than opening them for all. Containers often grant only the broader one.
	bounding_set=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
	[ $((0x$bounding_set >> 2 & 1)) = 1 ] && grant=-all,+dac_read_search || grant=-all,+dac_override
	# initdb uses access(2), which leaves capabilities out unless that bit is set.
	identity="$identity --securebits +no_setuid_fixup --inh-caps $grant --ambient-caps $grant"
fi
exec setpriv $identity -- "$@"
