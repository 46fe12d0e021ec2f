"""The gauges of the delivery times."""

import pytest

from server.dashboard.pages.performance.page import build_gauges, gauge_share
from server.rollups.histogram import NOTHING


@pytest.mark.parametrize(
    ("ms", "share"),
    [
        (0, 0),
        (1500, 25),
        (3000, 50),
        (6500, 65),
        (10000, 80),
        (20000, 90),
        (30000, 100),
        (300000, 100),
    ],
)
def test_a_gauge_is_half_full_at_3_s_and_full_at_30_s(ms, share):
    assert gauge_share(ms) == share


def test_without_deliveries_a_gauge_is_empty():
    assert {(gauge.share, gauge.level) for gauge in build_gauges(NOTHING)} == {(0, "none")}
