"""`python -m build.crash`: harm under load, drain, judge; ends with 1 when anything is wrong."""

import argparse
import json
import secrets
import time
from collections import Counter
from collections.abc import Sequence

from build.bench import arrangement
from build.bench.arrangement import Arrangement, say
from build.crash import oracle
from build.crash.harm import Harm, may_mount
from build.crash.oracle import Verdict
from build.crash.sender import Sender
from build.stack.errors import StackError
from build.stack.supervisor import end_on_signals

SENDERS = 4
#: Entries of a dead worker are claimed ten times sooner than by default: harsher on living ones.
CLAIM_AFTER_MS = 3_000
#: Enough for Redis to write its file anew while the old ones are there: of 256 they left nothing
#: after 430 kills on a busy machine, and it could not start again.
INBOX_DISK_MIB = 1024
#: Two, so that one writes while the other is stopped, killed, or comes back with old entries.
WORKERS = 2
#: After the last kill the inbox may hold millions of events; for so long it must not stand still.
DRAINS_ON_WITHIN_S = 60.0
POLL_S = 0.05
REPORT_EVERY = 10


def main() -> int:
    """Run the cycles; the last line of standard output is JSON."""
    parser = argparse.ArgumentParser(prog="python -m build.crash", description=__doc__)
    parser.add_argument("--cycles", type=int, default=25, help="SIGKILLs, one a cycle")
    parser.add_argument("--seed", type=int, help="of the order of all harm; random when left out")
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    end_on_signals()
    say(f"crash: {options.cycles} cycles, seed {seed}")
    nodes = [f"crash-mta-{n}" for n in range(SENDERS)]
    disk_mib = INBOX_DISK_MIB if may_mount() else None
    try:
        with arrangement.running(
            "crash",
            nodes=nodes,
            more={"WRITER_CLAIM_AFTER_MS": str(CLAIM_AFTER_MS)},
            inbox_disk_mib=disk_mib,
            workers=WORKERS,
        ) as running:
            return run(running, cycles=options.cycles, seed=seed)
    except StackError as error:
        say(f"mallard: {error} (seed {seed})")
        return 1


def run(running: Arrangement, *, cycles: int, seed: int) -> int:
    """Harm `running` under load; print and judge. Return the exit code."""
    senders = [
        Sender(n, key=running.keys[f"crash-mta-{n}"], port=running.server.web_port, seed=seed)
        for n in range(SENDERS)
    ]
    harm = Harm(running, seed=seed, disk=running.inbox_disk)
    under_load(running, senders, harm, cycles=cycles)
    verdict = oracle.judge(running, [batch for sender in senders for batch in sender.acknowledged])
    print(report(senders, harm, verdict, seed=seed))
    print(as_json(harm, verdict, seed=seed), flush=True)
    given_up = any(sender.given_up for sender in senders)
    return 0 if verdict.is_clean and not given_up and not harm.stuck else 1


def under_load(running: Arrangement, senders: Sequence[Sender], harm: Harm, *, cycles: int) -> None:
    """Start the senders, do harm, then let everything that was made be acknowledged and stored."""
    for sender in senders:
        sender.start()
    for cycle in range(1, cycles + 1):
        harm.do()
        if cycle % REPORT_EVERY == 0:
            acknowledged = sum(b.count for s in senders for b in list(s.acknowledged))
            say(f"  {cycle} kills, {acknowledged:,} events acknowledged")
    for sender in senders:
        sender.finish()
    for sender in senders:
        sender.join_or_give_up()
    drain(running)


def drain(running: Arrangement) -> None:
    """Return when nothing accepted waits, or when waiting on is of no use: it grows no less."""
    least, deadline = running.waiting(), time.monotonic() + DRAINS_ON_WITHIN_S
    say(f"  {least:,} batches wait in the inbox")
    while least and time.monotonic() < deadline:
        time.sleep(POLL_S)
        if (waiting := running.waiting()) < least:
            least, deadline = waiting, time.monotonic() + DRAINS_ON_WITHIN_S


def report(senders: Sequence[Sender], harm: Harm, verdict: Verdict, *, seed: int) -> str:
    """Return all counts for a person."""
    answers: Counter[str] = sum((sender.answers for sender in senders), Counter())
    tricks: Counter[str] = sum((sender.tricks for sender in senders), Counter())
    batches = sum(len(sender.acknowledged) for sender in senders)
    lines = [
        f"killed: {_counts(harm.kills)}",
        f"also: {_counts(harm.others)}",
        f"senders: {_counts(tricks)}",
        f"answers: {_counts(answers)}",
        f"acknowledged: {verdict.acknowledged:,} events in {batches:,} batches",
        f"acknowledged and missing: {verdict.missing}",
        f"stored twice: {verdict.twice}",
        f"stored and never acknowledged: {verdict.never_acknowledged}",
        f"rollup against rows: {verdict.rollup_difference}",
        f"ledger against what was acknowledged: {verdict.ledger_difference}",
        f"refused events counted too often in the ledger: {verdict.refused_overcounted}",
        f"dead letters: {verdict.dead_letters}",
        f"batches still in the inbox: {verdict.stranded_batches}",
        *(f"batches never acknowledged: {len(s.given_up)} of {s.name}" for s in senders
          if s.given_up),
        *verdict.examples,
        *harm.stuck,
        f"again: make crash CYCLES={harm.kills.total()} SEED={seed}",
    ]  # fmt: skip
    return "\n".join(lines)


def as_json(harm: Harm, verdict: Verdict, *, seed: int) -> str:
    """Return the one line for programs."""
    return json.dumps(
        {
            "kills": harm.kills.total(),
            "acknowledged": verdict.acknowledged,
            "missing": verdict.missing,
            "twice": verdict.twice,
            "rollup_difference": verdict.rollup_difference,
            "ledger_difference": verdict.ledger_difference,
            "seed": seed,
        }
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"


if __name__ == "__main__":
    raise SystemExit(main())
