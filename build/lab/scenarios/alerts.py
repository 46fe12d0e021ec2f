"""Alerts of a replayed month, and the time from a source to its first notification.

30 days of a 15-node cluster with known incidents and noise go through the server's own conditions,
causes and decisions; then clocks of nodes jump on a real installation with a real receiver. The
exit code is 1 where a critical incident is missed, something is notified twice, more than one
critical a week is false, or a first notification takes longer than 20 s beside `for`.
"""

import argparse
import json
import time

from build.lab.installation import run_installation
from build.lab.report import compute_percentile
from build.lab.scenarios.queries import set_up_django
from build.stack.command import report_progress
from build.stack.paths import RUN
from tests.incidents.real_alerts import LOOPBACK_ALLOWED, judge_alerts, list_delays, watch_alerts

MAX_DELAY_S = 20.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real-s", type=float, default=120, help="of the real run; 0: none")


def run(options: argparse.Namespace) -> int:
    delays: list[float] = []
    if options.real_s:
        with run_installation("alerts", environment=LOOPBACK_ALLOWED) as installation:
            with watch_alerts(installation, fails=False, hurries=False) as (receiver, clocks):
                time.sleep(options.real_s)
            delays = list_delays(receiver, clocks)
            print(json.dumps(judge_alerts(installation, receiver)))
    report_progress(f"{len(delays)} first notifications; replaying {options.days} days")
    set_up_django("postgres://127.0.0.1:1/none", RUN)  # its models need settings, not a database
    from tests.incidents.alert_replay import replay  # noqa: PLC0415

    verdict = replay(options.days, seed=options.seed)
    print("\n".join(verdict.format_text()))
    # Of the real run where there is one: a replay has no processes that can be late.
    delays = delays or verdict.delays_s
    p50, p95 = (round(compute_percentile(delays, share) or 0.0, 1) for share in (0.5, 0.95))
    print(json.dumps({**verdict.as_json(), "delay_s_p50": p50, "delay_s_p95": p95}))
    return int(not verdict.is_good or p95 > MAX_DELAY_S)
