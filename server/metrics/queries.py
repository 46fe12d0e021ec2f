"""Questions to the samples. Time ranges are always parameters, and always bound the time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

#: Readings of which a bucket tells the mean.
AVERAGED = (
    "cpu_percent", "ram_used_percent", "ram_used_bytes", "disk_used_percent", "disk_free_bytes",
    "disk_read_bytes_sec", "disk_write_bytes_sec", "net_rx_bytes_sec", "net_tx_bytes_sec",
    "load_1m", "load_5m", "load_15m", "tcp_established", "tcp_time_wait", "open_files",
)  # fmt: skip
_MEANS = ", ".join(f"avg({name})::float" for name in AVERAGED)
SERIES = f"""SELECT n.name, width_bucket(s.time, %(edges)s::timestamptz[]) - 1, count(*),
  max(s.cpu_percent), {_MEANS}
FROM metrics_system AS s JOIN nodes_node AS n ON n.id = s.node_id
WHERE s.time >= %(start)s::timestamptz AND s.time < %(end)s::timestamptz
  AND (%(node)s::text IS NULL OR n.name = %(node)s)
GROUP BY 1, 2 ORDER BY 1, 2"""  # noqa: S608 (names from above)


class SystemBucket(NamedTuple):
    """The samples of one node in the bucket that begins at edge `bucket`."""

    node: str
    bucket: int
    samples: int
    cpu_percent_max: float
    means: dict[str, float | None]


def system_series(edges: Sequence[datetime], *, node: str | None = None) -> list[SystemBucket]:
    """Return the means of the readings by node and bucket; buckets without samples are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            SERIES, {"edges": list(edges), "start": edges[0], "end": edges[-1], "node": node}
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [
        SystemBucket(node_name, bucket, samples, highest, dict(zip(AVERAGED, means, strict=True)))
        for node_name, bucket, samples, highest, *means in rows
    ]
