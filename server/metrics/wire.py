"""The server's half of the contract for samples. Names are the published ones of the payload."""

from datetime import datetime
from typing import Annotated

import msgspec

AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Rate = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Total = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Core(msgspec.Struct, frozen=True):
    """One processor core."""

    core: Count
    percent: Percent


class System(msgspec.Struct, frozen=True):
    """The readings of one system sample. Rates are null in the first one after a start."""

    cpu_percent: Percent
    cpu_cores: Annotated[list[Core], msgspec.Meta(max_length=4096)]
    ram_used_percent: Percent
    ram_used_bytes: Total
    ram_total_bytes: Total
    disk_used_percent: Percent
    disk_free_bytes: Total
    disk_read_bytes_sec: Rate | None
    disk_write_bytes_sec: Rate | None
    net_rx_bytes_sec: Rate | None
    net_tx_bytes_sec: Rate | None
    net_rx_errors: Total
    net_tx_errors: Total
    load_avg: tuple[Rate, Rate, Rate]
    tcp_established: Count
    tcp_time_wait: Count
    open_files: Total
    uptime_seconds: Total


class SystemSample(msgspec.Struct, frozen=True):
    """One sample as it arrives. `node_id`: the node's name."""

    node_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    timestamp: AwareTime
    system: System
