"""Classes of replies, held against a file of labelled ones.

A line is JSON: reply, classes (the right ones, the best first), provider, zonemta_category or null.
"""

import argparse
import json
import time
from pathlib import Path

from build.lab.report import format_table
from build.lab.traffic import SHARES
from server.events.bounce_classes.classify import find_meaning

HEAD = ("right", "found", "provider", "reply")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path)


def run(options: argparse.Namespace) -> int:
    lines = [json.loads(line) for line in options.file.read_text().splitlines() if line.strip()]
    found = [find_meaning(line.get("zonemta_category"), line["reply"])[0] for line in lines]
    pairs = list(zip(found, lines, strict=True))
    wrong = [(line["classes"][0], name, str(line.get("provider")), line["reply"][:150])
             for name, line in pairs if name not in line["classes"]]  # fmt: skip
    print(format_table([HEAD, *sorted(wrong)]))
    # Each has an id and an IP of its own, as in the log of a day.
    replies = [f"{line['reply']} {n:016x} 10.0.{n % 251}.{n % 241}"
               for n in range(100) for line in lines]  # fmt: skip
    start = time.process_time()
    for reply in replies:
        find_meaning(None, reply)
    refusal_us = (time.process_time() - start) * 1e6 / max(1, len(replies))
    event_us = refusal_us * (SHARES["deferred"] + SHARES["bounced"]) / sum(SHARES.values())
    right, strict = len(lines) - len(wrong), sum(name == line["classes"][0] for name, line in pairs)
    times = {"us_per_refusal": round(refusal_us, 2), "us_per_event": round(event_us, 2)}
    print(json.dumps({"replies": len(lines), "right": right, "strict": strict, **times}))
    return 0
