"""Verdicts: what was acknowledged against rows, counts and ledger."""

import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from build.lab.fake_server import Received
from build.lab.installation import Installation
from build.lab.traffic import Batch

SERVER_VERDICT = Path(__file__).with_name("oracle.sql").read_text()


@dataclass
class ServerVerdict:
    """The database against what was acknowledged. All but `acknowledged` must be 0, and
    `refused_overcounted` should be."""

    acknowledged: int = 0
    missing: int = 0
    twice: int = 0
    wrong_times: int = 0
    rollup_difference: int = 0
    ledger_difference: int = 0
    never_acknowledged: int = 0
    refused_overcounted: int = 0
    dead_letters: int = 0
    stranded_batches: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        harmless = {"acknowledged", "refused_overcounted", "examples"}
        return not any(value for name, value in asdict(self).items() if name not in harmless)


def judge_server(installation: Installation, batches: Sequence[Batch]) -> ServerVerdict:
    """Compare the acknowledged batches with what the database holds, in one session."""
    by_epoch: dict[str, list[Batch]] = defaultdict(list)
    for batch in batches:
        by_epoch[batch.epoch_name].append(batch)
    with installation.connect() as cursor:
        cursor.execute("CREATE TEMP TABLE expected (event_id uuid PRIMARY KEY, at timestamptz)")
        ids = io.StringIO("".join(f"{each}\t{b.at}\n" for b in batches for each in b.valid_ids))
        cursor.copy_expert("COPY expected FROM STDIN", ids)
        cursor.execute(
            "ANALYZE expected; CREATE TEMPORARY TABLE expected_ledger"
            " (epoch text, received int8multirange, dropped int8multirange, refused bigint)"
        )
        for epoch, its in by_epoch.items():
            received = ",".join(f"[{b.first_seq},{b.first_seq + b.count})" for b in its)
            dropped = ",".join(f"[{first},{last + 1})" for b in its for first, last in b.dropped)
            cursor.execute(
                "INSERT INTO expected_ledger VALUES (%s, %s, %s, %s)",
                [epoch, f"{{{received}}}", f"{{{dropped}}}", sum(len(b.refused) for b in its)],
            )
        cursor.execute(SERVER_VERDICT)
        names = [column.name for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
    return ServerVerdict(stranded_batches=installation.count_waiting(), **row)


def count_stored(installation: Installation, *, but_not: str) -> tuple[int, int]:
    """Return the table's rows and different events, but not of one node. Batches are repeated until
    acknowledged: both numbers must be what was acknowledged."""
    ((rows, events),) = installation.query(
        "SELECT coalesce(sum(n), 0)::bigint, count(*) FROM (SELECT count(*) AS n FROM email_events"
        " WHERE mta_node <> %s GROUP BY event_id) AS ids",
        but_not,
    )
    return rows, events


@dataclass(frozen=True)
class AgentVerdict:
    """What the fake server received against what the plugins' POSTs were answered."""

    kills: int
    acknowledged: int
    missing: int  # acknowledged by the receiver and never at the server
    twice: int  # one event under two numbers
    holes: int  # numbers that never came and were not declared dropped
    out_of_order: int  # a number that came first after a higher one
    contradictions: int  # one number, two events
    seed: str

    @property
    def is_clean(self) -> bool:
        faults = (self.missing, self.twice, self.holes, self.out_of_order, self.contradictions)
        return not any(faults) and self.acknowledged > 0


def judge_agent(
    received: Received, acknowledged: Sequence[str], *, kills: int, seed: str
) -> AgentVerdict:
    """Compare the acknowledged event ids with what the server has. Pure."""
    counts = Counter(event for numbers in received.numbers.values() for event in numbers.values())
    return AgentVerdict(
        kills=kills,
        acknowledged=len(acknowledged),
        missing=sum(event not in counts for event in acknowledged),
        twice=sum(count > 1 for count in counts.values()),
        holes=sum(
            max(numbers) - len(numbers.keys() | received.dropped[epoch])
            for epoch, numbers in received.numbers.items()
        ),
        # A dictionary keeps the order in which the numbers came first.
        out_of_order=sum(
            after < before
            for numbers in received.numbers.values()
            for before, after in pairwise(numbers)
        ),
        contradictions=received.contradictions,
        seed=seed,
    )
