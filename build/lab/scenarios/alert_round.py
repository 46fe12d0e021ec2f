"""Cost of a round of the evaluator: 100 nodes with five subjects each that need attention.

Prints the queries of a round, and p50 and p95 of its time in ms. The last line is JSON.
"""

import argparse
import json
import os
import shutil
from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from build.lab.report import compute_percentile
from build.lab.scenarios.queries import set_up_django
from build.stack import claim, postgres
from build.stack.paths import RUN
from build.stack.supervisor import Supervisor, leaving_no_child

HOME = RUN / "bench-alerts"
MAX_MS, MAX_QUERIES = 300, 25


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=60)


def run(options: argparse.Namespace) -> int:
    with claim.claim_directory(HOME), leaving_no_child(), Supervisor(HOME) as supervisor:
        shutil.rmtree(HOME / "postgres", ignore_errors=True)
        database = postgres.start(supervisor, HOME, durable=True, more=postgres.PRODUCTION)
        set_up_django(database.url, supervisor.log_directory)
        call_command("migrate", verbosity=0)
        answer = measure(options.nodes, options.rounds)
    print(json.dumps(answer))
    return int(answer["ms_p95"] > MAX_MS or answer["queries"] > MAX_QUERIES)


def measure(nodes: int, rounds: int) -> dict[str, float]:
    """Run rounds of which the first finds all alerts, and the others what they were."""
    from server.alerts.evaluator.rounds import run_round  # noqa: PLC0415 (once Django is set up)
    from server.alerts.models import Alert  # noqa: PLC0415
    from server.observability.backlog import NOTHING_WAITS  # noqa: PLC0415
    from tests.factories import add_sick_nodes  # noqa: PLC0415

    now = timezone.now()
    add_sick_nodes(nodes, now)
    done = [
        run_round(now + timedelta(milliseconds=100 * n), backlog=NOTHING_WAITS, is_forced=True)
        for n in range(rounds)
    ]
    times = [each.duration_ms for each in done if each]
    return {
        "nodes": nodes,
        "alerts": Alert.objects.filter(ended_at=None).count(),
        "queries": max(each.queries_count for each in done if each),
        "first_ms": round(times[0], 1),
        "ms_p50": round(compute_percentile(times, 0.5) or 0, 1),
        "ms_p95": round(compute_percentile(times, 0.95) or 0, 1),
        "load": os.getloadavg()[0],
    }
