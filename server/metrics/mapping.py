"""Pure: a decoded sample → the values of its row."""

from typing import Any

import msgspec

from server.metrics.wire import SystemSample


def system_values(sample: SystemSample) -> dict[str, Any]:
    """Return the columns of metrics_system, all but the node."""
    values = msgspec.structs.asdict(sample.system)
    cores = sorted(values.pop("cpu_cores"), key=lambda core: core.core)
    load_1m, load_5m, load_15m = values.pop("load_avg")
    return values | {
        "time": sample.timestamp,
        "cpu_core_percents": [core.percent for core in cores],
        "load_1m": load_1m,
        "load_5m": load_5m,
        "load_15m": load_15m,
    }
