"""`python -m build.bench`: measure, report, and end with 1 when an event is missing or twice."""

import argparse
import os

from build.bench import arrangement, report
from build.bench.arrangement import say
from build.bench.measure import Marks, measure
from build.stack.errors import StackError
from build.stack.supervisor import end_on_signals

BATCHES = (1, 10, 100, 500)
NODES = ["bench-mta-01", "bench-mta-02", "bench-mta-03", "bench-mta-04"]


def main() -> int:
    """Measure every batch size; the last line of standard output is JSON."""
    parser = argparse.ArgumentParser(prog="python -m build.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of load at each step")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, metavar="EVENTS")
    parser.add_argument("--gzip", action="store_true", help="pack the bodies, as agents do")
    options = parser.parse_args()
    end_on_signals()
    try:
        with arrangement.running("bench", nodes=NODES) as running:
            cookie, marks = running.session_cookie(), Marks()
            results = []
            for batch in options.batches:
                say(f"batches of {batch} (load average {os.getloadavg()[0]:.1f})")
                results.append(
                    measure(
                        running,
                        batch,
                        seconds=options.seconds,
                        marks=marks,
                        cookie=cookie,
                        gzip=options.gzip,
                    )
                )
    except StackError as error:
        say(f"mallard: {error}")
        return 1
    print(report.as_text(results))
    print(report.as_json(results), flush=True)
    return 1 if any(result.missing or result.twice for result in results) else 0


if __name__ == "__main__":
    raise SystemExit(main())
