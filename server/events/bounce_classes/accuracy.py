"""Accuracy of the classes of replies: those of a labelled file that are wrong, and the cost. Pure.

A line of the file is JSON: `reply`, `classes` (the right ones, the best first), `provider`,
`zonemta_category` (null: classified without one).
"""

import json
import time
from collections.abc import Sequence

from server.events.bounce_classes.classify import find_meaning

SHOWN_CHARS = 150
#: In usual traffic so many of a hundred events are refusals, the others have no reply to read.
REFUSALS_PERCENT = 11
MIN_TIMED = 50_000


def report_accuracy(text: str) -> str:
    """Return a line for each reply that is wrong, by class and provider, and a last one of JSON."""
    labelled = [json.loads(line) for line in text.split("\n") if line.strip()]
    strict, wrong = 0, []
    for one in labelled:
        name = find_meaning(one.get("zonemta_category"), one["reply"]).bounce_class
        strict += name == one["classes"][0]
        if name not in one["classes"]:
            shown = one["reply"][:SHOWN_CHARS]
            wrong.append(f"{'/'.join(one['classes'])}: {name}, {one.get('provider')}: {shown}")
    refusal_us = measure_us([one["reply"] for one in labelled])
    result = {
        "replies": len(labelled),
        "right": len(labelled) - len(wrong),
        "strict": strict,
        "us_per_refusal": round(refusal_us, 2),
        "us_per_event": round(refusal_us * REFUSALS_PERCENT / 100, 2),
    }
    return "\n".join([*sorted(wrong), json.dumps(result)])


def measure_us(replies: Sequence[str]) -> float:
    """Return the CPU time for a reply, each with an id and an IP of its own, as mail has them."""
    rounds = MIN_TIMED // max(1, len(replies)) + 1
    own = [f"{one} {n:016x} 10.0.{n % 251}.{n % 241}" for one in replies for n in range(rounds)]
    start = time.process_time()
    for reply in own:
        find_meaning(None, reply)
    return (time.process_time() - start) * 1e6 / max(1, len(own))
