"""Bodies are bounded by kind, and few large ones are in memory at a time."""

import gzip
from contextlib import ExitStack

import pytest
from django.test import RequestFactory

from server.ingest.errors import Malformed, TooLarge, TooManyLarge
from server.ingest.parsing import body as bodies
from server.ingest.parsing.body import LARGE_BYTES, MAX_LARGE_AT_ONCE, unpacked_body

LARGE = b" " * (LARGE_BYTES + 1)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    monkeypatch.setattr(bodies, "LARGE_WAIT_S", 0.0)


def request(plain, *, pack=True):
    headers = {"HTTP_CONTENT_ENCODING": "gzip"} if pack else {}
    data = gzip.compress(plain) if pack else plain
    return RequestFactory().post("/", data, content_type="application/json", **headers)


@pytest.mark.parametrize("pack", [True, False])
def test_few_large_bodies_are_decoded_at_a_time_and_small_ones_beside_them(pack):
    with ExitStack() as stack:
        for _ in range(MAX_LARGE_AT_ONCE):
            assert stack.enter_context(unpacked_body(request(LARGE, pack=pack))) == LARGE
        with pytest.raises(TooManyLarge), unpacked_body(request(LARGE, pack=pack)):
            pass
        with unpacked_body(request(b"[]", pack=pack)) as small:
            assert small == b"[]"

    with unpacked_body(request(LARGE, pack=pack)) as again:
        assert again == LARGE


@pytest.mark.parametrize("pack", [True, False])
def test_a_body_is_bounded_by_its_kind_whether_it_is_packed_or_not(pack):
    for size, limit in ((101, 100), (len(LARGE), LARGE_BYTES - 1)):
        with (
            pytest.raises(TooLarge),
            unpacked_body(request(b" " * size, pack=pack), max_bytes=limit),
        ):
            pass


def test_after_bodies_that_cannot_be_read_others_have_their_turn(settings):
    settings.INGEST_MAX_UNPACKED_BYTES = LARGE_BYTES
    broken = request(LARGE)
    broken._body = broken.body[:-9]
    for _ in range(MAX_LARGE_AT_ONCE + 1):
        with pytest.raises((TooLarge, Malformed)), unpacked_body(broken):
            pass

    with ExitStack() as stack:
        for _ in range(MAX_LARGE_AT_ONCE):
            assert bodies._large.acquire(blocking=False)
            stack.callback(bodies._large.release)
