"""Onset of blocks, found in a replayed history whose incidents are known.

15 nodes send a million messages a day; each incident must be found within 15 minutes of its begin
or 12 attempts, and nothing else may be reported more than once a month. The detection is the
server's own, the history is tests/incidents/. The exit code is 1 where an incident is missed or
late, or more false ones are found. A day takes a few seconds.
"""

import argparse

from tests.incidents.replay import replay


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=1_000_000, help="of a day")


def run(options: argparse.Namespace) -> int:
    verdict = replay(options.days, seed=options.seed, messages_a_day=options.messages)
    print("\n".join(verdict.format_text()))
    return 0 if verdict.is_good else 1
