"""Merged batches leave the ledger as the same batches recorded one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.ledger import store
from server.ledger.merge import NumberedBatch, merge_batches
from server.ledger.models import Epoch
from server.ledger.queries import completeness

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def make_batch(first_seq: int, count: int = 10, *, epoch: str = "e-1", **more) -> NumberedBatch:
    given = {"node": "mta-01", "refused": 0, "received_at": NOON, **more}
    return NumberedBatch(epoch=epoch, first_seq=first_seq, count=count, **given)


def test_batches_that_follow_each_other_are_one_entry():
    (entries,) = merge_batches(
        [make_batch(11), make_batch(1), make_batch(31), make_batch(1, epoch="e-2")]
    )

    assert [(entry.epoch, entry.received) for entry in entries] == [
        ("e-1", ((1, 21), (31, 41))),
        ("e-2", ((1, 11),)),
    ]


def test_a_batch_that_comes_again_is_an_entry_of_its_own():
    assert len(merge_batches([make_batch(1), make_batch(1), make_batch(5)])) == 3


def test_a_batch_with_refusals_is_an_entry_of_its_own():
    assert len(merge_batches([make_batch(1), make_batch(11, refused=1), make_batch(21)])) == 3


def test_no_batches_are_no_round():
    assert merge_batches([]) == []


@pytest.mark.django_db
def test_a_transaction_of_many_small_batches_is_one_query_of_the_ledger(django_assert_num_queries):
    batches = [make_batch(10 * n, epoch=f"e-{n % 4}") for n in range(200)]

    with django_assert_num_queries(1):
        store.record(merge_batches(batches))


def _first_refused(batch):
    """Name one refused number, where there are any."""
    return ((batch.first_seq, batch.first_seq),) if 0 < batch.refused <= batch.count else ()


BATCHES = st.lists(
    st.builds(
        NumberedBatch,
        node=st.sampled_from(["mta-01", "mta-02"]),
        epoch=st.sampled_from(["e-1", "e-2"]),
        first_seq=st.integers(0, 60),
        count=st.integers(0, 12),
        refused=st.sampled_from([0, 0, 0, 2]),
        received_at=st.integers(0, 9).map(lambda s: NOON + timedelta(seconds=s)),
        dropped=st.lists(
            st.tuples(st.integers(0, 40), st.integers(0, 5)).map(lambda p: (p[0], p[0] + p[1])),
            max_size=2,
        ).map(tuple),
    ).map(lambda batch: replace(batch, refused_ranges=_first_refused(batch))),
    max_size=12,
)


@pytest.mark.django_db
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batches=BATCHES)
def test_batches_recorded_at_once_leave_the_ledger_as_one_by_one(batches):
    in_order = sorted(batches, key=lambda each: (each.node, each.epoch, each.first_seq))
    for batch in in_order:
        store.record(merge_batches([batch]))
    one_by_one = pop_ledger()
    store.record(merge_batches(batches))

    assert pop_ledger() == one_by_one


def pop_ledger() -> list[dict[str, object]]:
    """Return the rows of the ledger, and empty it."""
    rows = list(
        Epoch.objects.order_by("node", "epoch").values(
            "node", "epoch", "first_seq", "received", "dropped", "repeated_count",
            "refused", "refused_count", "last_received_at",
        )
    )  # fmt: skip
    Epoch.objects.all().delete()
    return rows


@pytest.mark.django_db
def test_refused_numbers_in_too_many_places_are_forgotten_and_counted_once():
    batches = [
        make_batch(
            first := 1_000 * n,
            200,
            refused=100,
            refused_ranges=tuple((first + 2 * k, first + 2 * k) for k in range(100)),
        )
        for n in range(12)
    ]

    for batch in (*batches, *batches):
        store.record(merge_batches([batch]))

    (epoch,) = completeness(NOON - timedelta(days=1))
    assert (epoch.refused_count, epoch.complete) == (1_200, False)
    assert Epoch.objects.get().refused.count("[") <= store.MAX_REFUSED_RANGES
