"""The verdict about a server: what was acknowledged against rows, counts and ledger."""

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from build.lab.installation import Installation
from tests.batches import Batch

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
