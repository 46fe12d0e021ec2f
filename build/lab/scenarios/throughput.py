"""Events stored a second, and the time until one is seen.

From the POST to the table and to a browser's socket, by batch size: plain COPY into the same table,
then as fast as the server accepts, then a steady rate from which the latencies are. Fails when an
acknowledged event is missing or stored twice.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from typing import Any

from build.lab import oracle, usage
from build.lab.installation import Installation, run_installation
from build.lab.live_probe import LiveProbe
from build.lab.plain_copy import COPY_NODE, copy_plainly
from build.lab.report import compute_percentile
from build.stack.command import report_progress
from tests.fakes.load import Load

Figures = dict[str, Any]
BATCHES = (1, 10, 100, 500)
NODES = ["bench-mta-01", "bench-mta-02", "bench-mta-03", "bench-mta-04"]
#: One batch in flight each, as agents have.
CLOSED_CONNECTIONS = 8
OPEN_CONNECTIONS = 32
STEADY_EVENTS_PER_S = 10_000.0
#: The steady rate is no more than this share of what the same batch size stored at full load.
STEADY_SHARE = 0.7
MAX_STEADY_S = 60.0
PROBED_WITHIN_S = 20.0
COPY_ROWS = 100_000
EMPTY = (
    "TRUNCATE email_events, email_stats_1m, email_stats_5m, email_stats_1h, email_stats_daily,"
    " ledger_epoch"
)
#: Of the database, without its log of changes.
SIZE = "SELECT pg_database_size(current_database())"
#: Figures of each load at the steady rate, whose latencies are a server's that keeps up.
ACK = {"ack_p50_ms": 0.5, "ack_p99_ms": 0.99}
LIVE = {"live_p50_ms": 0.5, "live_p95_ms": 0.95, "live_p99_ms": 0.99}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=15.0, help="of load at each step")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, metavar="EVENTS")
    parser.add_argument("--hostile", action="store_true", help="no name of a domain or zone twice")
    parser.add_argument("--gzip", action="store_true", help="compress the bodies, as agents do")


def run(options: argparse.Namespace) -> int:
    with run_installation("bench", nodes=NODES) as installation:
        load = {"gzip": options.gzip, "is_hostile": options.hostile}
        bench = Bench(installation, seconds=options.seconds, **load)
        results = [bench.measure(batch) for batch in options.batches]
    print(json.dumps(results, indent=1))
    print(format_json(results), flush=True)
    return 1 if any(row["missing"] or row["twice"] for row in results) else 0


class Bench:
    """Measures one batch size after the other on one installation."""

    def __init__(self, installation: Installation, *, seconds: float, **load: Any) -> None:
        self._installation = installation
        self._seconds, self._options = seconds, load
        self._session = installation.log_in()
        self._next_mark = 1

    def measure(self, batch: int, *, copy_rows: int = COPY_ROWS) -> Figures:
        """Measure one batch size on emptied tables that then hold one plain COPY."""
        report_progress(f"batches of {batch} (load average {os.getloadavg()[0]:.1f})")
        self._installation.query(EMPTY)
        copy_per_s = copy_plainly(self._installation, rows=copy_rows)
        report_progress(f"  plain COPY {copy_per_s:,.0f} rows/s")
        ((bytes_before,),) = self._installation.query(SIZE)
        full = self._load(batch, CLOSED_CONNECTIONS, self._seconds)
        report_progress(f"  full load: stored {full['stored_per_s']:,}/s")
        offered_per_s = min(STEADY_EVENTS_PER_S, STEADY_SHARE * full["stored_per_s"])
        report_progress(f"  steady load: {offered_per_s:,.0f}/s")
        seconds = min(self._seconds, MAX_STEADY_S)
        steady = self._load(batch, OPEN_CONNECTIONS, seconds, rate=offered_per_s)
        ((bytes_after,),) = self._installation.query(SIZE)
        rows, events = oracle.count_stored(self._installation, but_not=COPY_NODE)
        return {
            "batch": batch,
            "accepted_per_s": full["accepted_per_s"],
            "stored_per_s": full["stored_per_s"],
            "copy_per_s": round(copy_per_s),
            "copy_ratio": round(full["stored_per_s"] / copy_per_s, 3),
            **{name: steady[name] for name in ACK | LIVE},
            "cpu_us_per_event": full["cpu_us_per_event"],
            "bytes_per_event": round((bytes_after - bytes_before) / max(1, events)),
            "missing": full["events"] + steady["events"] - events,
            "twice": rows - events,
            "full load": full,
            "steady load": steady,
        }

    def _load(self, batch: int, connections: int, seconds: float, *, rate: float = 0.0) -> Figures:
        """Send while a browser looks on, drain, and return the figures."""
        before = self._read_cpu_s()
        probe = LiveProbe(self._installation, session=self._session)
        port, keys = self._installation.server.web_port, sorted(self._installation.keys.items())
        load = (port, keys, connections, self._next_mark, batch, seconds)
        result = Load(*load, rate=rate, **self._options).run()
        self._next_mark += connections
        sent_at = time.monotonic()
        probe.finish(within_s=PROBED_WITHIN_S)
        if waiting := self._installation.drain():
            raise TimeoutError(f"{waiting} batches wait in the inbox, and it no longer shrinks")
        drain_s = time.monotonic() - sent_at
        live_ms = probe.close()
        events = result.acknowledged - result.refused_events + probe.posted
        return {
            "events": events,
            "accepted_per_s": round(result.acknowledged / result.took_s),
            "stored_per_s": round(events / (result.took_s + drain_s)),
            "answers": dict(result.answers),
            "probes": len(live_ms),
            "cpu_us_per_event": {
                name: round((cpu_s - before[name]) / max(1, events) * 1e6, 1)
                for name, cpu_s in self._read_cpu_s().items()
            },
            **{name: compute_percentile(result.ack_ms, share) for name, share in ACK.items()},
            **{name: compute_percentile(live_ms, share) for name, share in LIVE.items()},
        }

    def _read_cpu_s(self) -> dict[str, float]:
        programs = self._installation.programs
        return {name: usage.read_cpu_s(running.pid) for name, running in programs.items()}


def format_json(results: Sequence[Figures]) -> str:
    return json.dumps(
        [{name: row[name] for name in row if not name.endswith(" load")} for row in results]
    )
