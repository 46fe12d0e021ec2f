"""Kill evaluator, sender, Redis and PostgreSQL while alerts fire and end and their receiver fails.

The receiving end answers 500, hangs, closes and redirects. Afterwards no flip is without its
notification, each was sent, and none under another idempotency key.
"""

import argparse
import json
import secrets

from build.lab.faults import ServerFaults
from build.lab.installation import run_installation
from build.stack.command import report_progress
from tests.incidents.real_alerts import LOOPBACK_ALLOWED, is_bad, judge_alerts, watch_alerts

SPARED = ("web", "live")
WORKERS, REPORT_EVERY = 2, 10


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cycles", type=int, default=200, help="SIGKILLs, one a cycle")
    parser.add_argument("--seed", type=int, help="of the order of all faults; default: random")


def run(options: argparse.Namespace) -> int:
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    with run_installation(
        "crash-alerts", workers=WORKERS, environment=LOOPBACK_ALLOWED
    ) as installation:
        faults = ServerFaults(installation, seed=seed, spared=SPARED)
        with watch_alerts(installation, seed=seed, fails=True, hurries=True) as (receiver, _):
            for cycle in range(1, options.cycles + 1):
                faults.inject()
                if cycle % REPORT_EVERY == 0:
                    report_progress(f"  {cycle} kills, {len(receiver.received)} requests")
        figures = judge_alerts(installation, receiver)
    kills = {"kills": faults.kills.total(), "killed": faults.kills, "also": faults.others}
    print(json.dumps({**kills, "stuck": faults.stuck, **figures, "seed": seed}))
    return int(bool(faults.stuck) or is_bad(figures))
