"""A private PostgreSQL with TimescaleDB: loopback only, passwords, a database and role of ours."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from build.stack.command import run
from build.stack.errors import MissingError
from build.stack.paths import ROOT, read_secrets, write_file
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Program, Running, Supervisor

NAME = "mallard"
BUILD_TIMEOUT_SECONDS = 900
CONNECT_TIMEOUT_SECONDS = 2
SOURCE = Path(__file__).with_name("postgres")
AS_POSTGRES = SOURCE / "as-postgres.sh"
# As production is set up (ansible/roles/mallard_server/files/postgresql.conf), for measurements.
PRODUCTION = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
}
# For tests: a crash of the machine may lose everything, and does not matter.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True)
class Postgres:
    """A started server: `url` is of the role `mallard` (may create databases), on its database."""

    port: int
    url: str
    superuser_url: str
    running: Running


def start(
    supervisor: Supervisor,
    directory: Path,
    *,
    port: int | None = None,
    durable: bool = True,
    more: Mapping[str, str] | None = None,
) -> Postgres:
    """Start one with its data in `directory`/postgres, made at the first start.

    Without `durable` it writes faster and a power cut may ruin the data. `more` settings override.
    """
    programs = programs_directory()
    home = directory / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    passwords = _passwords(home)
    data = home / "data"
    if not data.exists():
        _initialise(programs, data, password=passwords["superuser"])
    port = port or free_port()
    superuser_url = f"postgres://postgres:{passwords['superuser']}@{LOOPBACK}:{port}/postgres"
    settings = ({} if durable else NOT_DURABLE) | dict(more or {})
    program = Program(
        name="postgres",
        # Not the system's PostgreSQL: its libraries are found relative to the program.
        argv=[
            *("sh", AS_POSTGRES, home, programs / "postgres", "-D", data, "-p", str(port)),
            *("-c", f"config_file={SOURCE / 'postgresql.conf'}"),
            *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
        ],
        is_ready=lambda: _accepts(superuser_url),
        ready_within_s=60,
        stop_signal=signal.SIGINT,  # ends sessions; SIGTERM would wait for them
    )
    running = supervisor.start(program)
    _make_role_and_database(superuser_url, password=passwords["role"])
    return Postgres(port, url_at(directory, port), superuser_url, running)


def url_at(directory: Path, port: int) -> str:
    """Return the address of one that is started in `directory` at `port`, now or later."""
    home = directory / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    return f"postgres://{NAME}:{_passwords(home)['role']}@{LOOPBACK}:{port}/{NAME}"


def programs_directory() -> Path:
    """Return where initdb and postgres with TimescaleDB lie, making the private copy if needed."""
    script = ROOT / "build" / "setup" / "timescaledb.sh"
    result = subprocess.run(
        ["sh", script, "build"], stdout=subprocess.PIPE, timeout=BUILD_TIMEOUT_SECONDS, check=False
    )
    if result.returncode != 0:
        raise MissingError("there is no PostgreSQL with TimescaleDB; see the lines above")
    return Path(os.fsdecode(result.stdout.strip()))


def _passwords(home: Path) -> dict[str, str]:
    """Return the passwords of the superuser and our role."""
    return read_secrets(home / "passwords.json", superuser=24, role=24)


def _initialise(programs: Path, data: Path, *, password: str) -> None:
    """Make the data directory; complete or not there at all."""
    half_made = data.with_name("data.new")
    password_file = half_made.with_name("password")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(mode=0o700)
    write_file(password_file, password.encode())
    if os.getuid() == 0:
        run(["chown", "postgres:postgres", half_made, password_file])
    try:
        run(
            [
                *("sh", AS_POSTGRES, data.parent),
                *(programs / "initdb", "-D", half_made, "--username=postgres"),
                *(f"--pwfile={password_file}", "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ]
        )
    finally:
        password_file.unlink()
    half_made.rename(data)


def _accepts(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
    except psycopg2.OperationalError:
        return False
    return True


def _make_role_and_database(superuser_url: str, *, password: str) -> None:
    connection = psycopg2.connect(superuser_url, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    connection.autocommit = True  # CREATE DATABASE refuses a transaction
    name, values = sql.Identifier(NAME), {"name": NAME, "password": password}
    missing = {
        "pg_roles WHERE rolname": "CREATE ROLE {name} LOGIN CREATEDB PASSWORD %(password)s",
        "pg_database WHERE datname": "CREATE DATABASE {name} OWNER {name}",
    }
    with contextlib.closing(connection), connection.cursor() as cursor:
        for place, statement in missing.items():
            cursor.execute(f"SELECT 1 FROM {place} = %(name)s", values)  # noqa: S608 (from above)
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL(statement).format(name=name), values)
