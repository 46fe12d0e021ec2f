"""Command line: arguments, exit codes and output for a person."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path

import msgspec

from agent import __version__, logs
from agent.config import Config, Loaded, load
from agent.config.load import ENV_FILE_NAME, SECRETS
from agent.config.settings import TYPES, environment_names
from agent.errors import AgentError, AlreadyRunning, CollectError, ConfigError

logger = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIGURATION = 2
EXIT_ALREADY_RUNNING = 3

PROG = "mallard-agent"
DESCRIPTION = "Mallard's agent: monitors this node's mail programs and reports to the server."
EPILOG = f"""
settings, highest precedence first: the environment, a {ENV_FILE_NAME} file (in the working
directory or beside the TOML file), the TOML file (--config, AGENT_CONFIG, or
/etc/mallard-agent/agent.toml)

  DASHBOARD_URL               the server, like https://dashboard.example          required
  API_KEY                     its key for this node: manage.py create_api_key     required
  NODE_ID                     the name of this node
                              default: its host name and a digest of its machine id
  NODE_ROLE                   its task, like zonemta-outbound
  HEARTBEAT_INTERVAL          between two samples, in milliseconds   default: 15000
  LOG_LEVEL                   debug, info, warning or error          default: info
  AGENT_ZONEMTA_MONGODB_URI   ZoneMTA's database, like
                              mongodb://127.0.0.1:27017/zone-mta?replicaSet=rs0
  AGENT_STATE_DIR             the disk spool         default: /var/lib/mallard-agent
  AGENT_RUNTIME_DIR           the plugins' socket    default: /run/mallard-agent

  `check-config` shows every other setting with its value and its source.

exit codes
  0  success, or stopped by SIGTERM or SIGINT
  1  failure: the spool or the receiver's socket cannot be used; of doctor: a FAILURE was found
     (warnings alone are 0)
  2  the configuration or the command line is wrong; the message names the place and the fix
  3  another agent already uses the state directory

first steps
  {PROG} check-config    is the configuration valid?
  {PROG} once            which samples would be sent? (sends nothing)
  {PROG} doctor          does everything work that the agent depends on?
  {PROG} run             monitor and report

signals of `run`
  SIGTERM, SIGINT   send spooled items, 10 s at most, and stop
  SIGHUP            reload the configuration; an invalid one changes nothing
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; return its exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "version":
        print(__version__)
        return EXIT_OK
    try:
        loaded = load(toml_path=options.config, backend_needed=options.backend_needed)
        return int(options.work(loaded, options))
    except ConfigError as error:
        print(f"Configuration: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION
    except AgentError as error:
        print(error, file=sys.stderr)
        return EXIT_ALREADY_RUNNING if isinstance(error, AlreadyRunning) else EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the TOML file to read")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, work, needs_backend, text, more in COMMANDS:
        command = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}"
        )
        command.set_defaults(work=work, backend_needed=needs_backend)
        if work is _doctor:
            option = "also send a test by the webhook of [outage_webhook]"
            command.add_argument("--call-webhook", action="store_true", help=option)
    commands.add_parser("version", help="print the version", description="Print the version.")
    return parser


def _run(loaded: Loaded, options: argparse.Namespace) -> int:
    from agent.service import Signals, run  # noqa: PLC0415 (other commands start faster)
    from agent.systemd import Notifier  # noqa: PLC0415

    signals = Signals()
    journal = logs.goes_to_journal(os.environ)

    def configure_logs(loaded: Loaded) -> None:
        logs.configure(loaded.config.log_level, journal=journal)
        for warning in loaded.warnings:
            logger.warning("%s", warning)

    def reload() -> Config | None:
        try:
            fresh = load(toml_path=options.config)
        except ConfigError as error:
            logger.error("Not reloaded, the present configuration stays: %s", error)
            return None
        configure_logs(fresh)
        logger.info("Configuration reloaded.")
        return fresh.config

    configure_logs(loaded)
    run(loaded.config, signals=signals, notifier=Notifier(), reload=reload)
    return EXIT_OK


def _once(loaded: Loaded, _options: argparse.Namespace) -> int:
    from agent.collectors import build_collectors  # noqa: PLC0415

    samples: dict[str, msgspec.Raw | None] = {}
    for collector in build_collectors(loaded.config):
        samples[collector.name] = None
        try:
            samples[collector.name] = msgspec.Raw(collector.collect())
        except CollectError as error:
            print(f"{collector.name}: {error}", file=sys.stderr)
        collector.close()
    print(msgspec.json.format(msgspec.json.encode(samples), indent=2).decode())
    return EXIT_OK


def _doctor(loaded: Loaded, options: argparse.Namespace) -> int:
    from agent.doctor import call_webhook, run_checks  # noqa: PLC0415

    marks = {"ok": "ok      ", "note": "note    ", "warning": "WARNING ", "failure": "FAILURE "}
    failed = False
    calls = (call_webhook(loaded.config) for _ in range(options.call_webhook))
    for finding in chain(run_checks(loaded), calls):
        failed = failed or finding.level == "failure"
        line = f"{marks[finding.level]}{finding.subject}: {finding.line}"
        print(line.translate(logs.ESCAPES))
        if finding.fix:
            print(f"          {finding.fix.translate(logs.ESCAPES)}")
    return EXIT_FAILED if failed else EXIT_OK


def _check_config(loaded: Loaded, _options: argparse.Namespace) -> int:
    for warning in loaded.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    variables = {key: name for name, key in environment_names().items()}
    for key in TYPES:
        name = ".".join(key)
        shown = value = attrgetter(name)(loaded.config)
        if key in SECRETS:
            shown = "(set)" if value else "(not set)"
        source = loaded.sources.get(key, "default")
        print(f"{name} = {shown}  [{source}]  (variable: {variables[key]})")
    print("The configuration is valid.")
    return EXIT_OK


def _spool(loaded: Loaded, _options: argparse.Namespace) -> int:
    from agent.spool import read_summary  # noqa: PLC0415

    print(json.dumps(read_summary(Path(loaded.config.state_dir)), indent=2))
    return EXIT_OK


# Name, function, whether it needs a server and a key, one line, and details.
COMMANDS = (
    (
        "run",
        _run,
        True,
        "monitor this node and report until stopped",
        """It logs to standard error, one
line per record; under systemd it notifies readiness and the watchdog. Exit code 0 after SIGTERM or
SIGINT, 1 when the spool or the socket cannot be used, 2 and 3 as in --help of all.""",
    ),
    (
        "once",
        _once,
        False,
        "collect one sample of every source and print it as JSON; send nothing",
        """A source
that is not on this node is null, with the reason on standard error. Rates need two samples, so they
are null too. Needs neither server nor key. Exit code 0.""",
    ),
    (
        "doctor",
        _doctor,
        True,
        "check everything the agent depends on, and print fixes",
        """It changes
nothing. Run it with the environment and as the user of the service. One line per check: ok, note
(needs nothing), WARNING (will matter), FAILURE (matters now), with the fix below. Exit code 1 after
a FAILURE, else 0.""",
    ),
    (
        "check-config",
        _check_config,
        True,
        "check the configuration and show all settings",
        """Every setting with
its value, its source, and the variable that sets it; secrets only as set or not. Connects to
nothing. Exit code 0 when it is valid, else 2.""",
    ),
    (
        "spool",
        _spool,
        False,
        "show the contents of the disk spool, and its drops",
        """As JSON, beside a running
agent, changing nothing: items of each kind that wait and since when, that were sent, dropped,
refused and set aside. Exit code 0, or 1 without a spool.""",
    ),
)
