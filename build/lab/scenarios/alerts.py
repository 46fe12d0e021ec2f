"""Alerts of a replayed month: who is notified of which incident, and of what is none.

30 days of a 15-node cluster with known incidents and noise go through the server's own conditions,
causes, incidents and decisions, a round every 15 s. The exit code is 1 where a critical incident is
missed, something is notified twice, more than one critical a week is false, or a notification comes
later than 20 s beside `for` (p95).
"""

import argparse
import json

from build.lab.report import compute_percentile
from build.lab.scenarios.queries import set_up_django
from build.stack.paths import RUN

MAX_DELAY_S = 20.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)


def run(options: argparse.Namespace) -> int:
    set_up_django("postgres://127.0.0.1:1/none", RUN)  # its models need settings, not a database
    from tests.incidents.alert_replay import replay  # noqa: PLC0415

    verdict = replay(options.days, seed=options.seed)
    print("\n".join(verdict.format_text()))
    p50, p95 = (
        round(compute_percentile(verdict.delays_s, share) or 0.0, 1) for share in (0.5, 0.95)
    )
    print(json.dumps({**verdict.as_json(), "delay_s_p50": p50, "delay_s_p95": p95}))
    return int(not verdict.is_good or p95 > MAX_DELAY_S)
