"""Many batches at once tell the ledger what they would have told it one by one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.ledger import store
from server.ledger.merge import NumberedBatch, merge_batches
from server.ledger.models import Epoch

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def numbered(first_seq: int, count: int = 10, *, epoch: str = "e-1", **more) -> NumberedBatch:
    given = {"node": "mta-01", "refused": 0, "received_at": NOON, **more}
    return NumberedBatch(epoch=epoch, first_seq=first_seq, count=count, **given)


def test_batches_that_follow_each_other_are_one_entry():
    (entries,) = merge_batches([numbered(11), numbered(1), numbered(31), numbered(1, epoch="e-2")])

    assert [(told.epoch, told.received) for told in entries] == [
        ("e-1", ((1, 21), (31, 41))),
        ("e-2", ((1, 11),)),
    ]


def test_a_batch_that_comes_again_is_an_entry_of_its_own():
    assert len(merge_batches([numbered(1), numbered(1), numbered(5)])) == 3


def test_a_batch_with_refusals_is_an_entry_of_its_own():
    assert len(merge_batches([numbered(1), numbered(11, refused=1), numbered(21)])) == 3


def test_nothing_to_tell_is_no_round():
    assert merge_batches([]) == []


@pytest.mark.django_db
def test_a_transaction_of_many_small_batches_asks_the_ledger_once(django_assert_num_queries):
    batches = [numbered(10 * n, epoch=f"e-{n % 4}") for n in range(200)]

    with django_assert_num_queries(1):
        store.record(batches)


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
    ),
    max_size=12,
)


@pytest.mark.django_db
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=BATCHES)
def test_told_at_once_the_ledger_says_what_it_says_told_one_by_one(batches):
    in_order = sorted(batches, key=lambda each: (each.node, each.epoch, each.first_seq))
    for batch in in_order:
        store.record([batch])
    one_by_one = told()
    store.record(batches)

    assert told() == one_by_one


def told() -> list[dict[str, object]]:
    """Return what the ledger holds, and empty it."""
    rows = list(
        Epoch.objects.order_by("node", "epoch").values(
            "node", "epoch", "first_seq", "received", "dropped", "repeated_count",
            "refused_count", "last_received_at",
        )
    )  # fmt: skip
    Epoch.objects.all().delete()
    return rows
