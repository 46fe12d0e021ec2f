"""Datagrams and records of GELF: as the real programs sent them, damaged, hostile."""

import gzip
import json
import random
import socket
import zlib

import msgspec
import pytest

from agent.config import Gelf
from agent.events.gelf import receiver, records
from agent.events.gelf.datagrams import MAX_RECORD_BYTES, Assembler, UnreadableError
from agent.events.gelf.receiver import GelfReceiver, read_drops
from agent.spool import read_summary
from tests.agent_fixtures import read_events
from tests.paths import CONTRACT, SAMPLES
from tests.waiting import until

LINES = (SAMPLES / "wildduck" / "gelf.jsonl").read_text().splitlines()
CHUNKS = [*map(bytes.fromhex, (SAMPLES / "wildduck" / "gelf-chunks.txt").read_text().split())]
VECTORS = json.loads((CONTRACT / "gelf_records.json").read_text())["vectors"]
NOW_MS = 1796092916000
SECRET = "a subject that nobody may read"


def compact(record):
    """Return a record's bytes as the programs send them: without blanks."""
    return json.dumps(record, separators=(",", ":")).encode()


def map_record(record, **options):
    read = records.read_record(compact(record))
    return None if read is None else records.to_event(read, node="mx-01", now_ms=NOW_MS, **options)


def as_json(event):
    return None if event is None else msgspec.to_builtins(event)


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_a_record_becomes_the_event_of_the_contract(vector):
    assert as_json(map_record(vector["record"])) == vector["event"], vector["why"]


def test_every_recorded_record_of_the_real_programs_is_mapped_or_ignored():
    events = [each for line in LINES if (each := map_record(json.loads(line)))]

    assert len(events) == sum(1 for vector in VECTORS if vector["event"])
    assert len({each.event_id for each in events}) == len(events)


def test_no_subject_name_of_a_file_or_stack_is_kept():
    for line in LINES:
        hostile = json.loads(line) | dict.fromkeys(
            ("_subject", "_filename", "full_message", "_stack", "_header_from_value", "_req_text"),
            SECRET,
        )
        read = records.read_record(compact(hostile))

        assert SECRET not in repr(read)
        assert SECRET not in repr(map_record(hostile))


def test_fields_of_other_types_and_sizes_do_no_harm():
    fields = [
        name for name in VECTORS[6]["record"] if name not in ("_mail_action", "short_message")
    ]
    rng = random.Random(17)
    for name in fields:
        for value in (None, True, -1, 1e308, [], {}, "x" * 5000, "\x1b[2J\n", "\ud800"):
            record = VECTORS[rng.randrange(6, 11)]["record"] | {name: value}
            event = map_record(record)
            if event is not None:
                assert all(
                    len(each) <= 255 and each.isprintable()
                    for each in as_json(event).values()
                    if isinstance(each, str)
                )


def test_a_record_from_a_wrong_clock_has_the_time_of_its_arrival():
    event = map_record(VECTORS[6]["record"] | {"timestamp": 4e12})

    assert event.occurred_at.timestamp() * 1000 == NOW_MS


def test_plain_zlib_and_gzip_are_read():
    body = LINES[0].encode()

    for datagram in (body, zlib.compress(body), gzip.compress(body)):
        assert Assembler().take(datagram, "a") == body


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned round"])
def test_chunks_of_npms_gelf_are_put_together(turned):
    assembler = Assembler()
    first, second = reversed(CHUNKS) if turned else CHUNKS

    assert assembler.take(first, "a") is None
    assert json.loads(assembler.take(second, "a"))["_queue_id"] == "X.1"


def test_chunks_by_the_specification_are_put_together_beside_those_of_npm():
    body = compact({"_mail_action": "process", "text": random.Random(3).randbytes(900).hex()})
    whole = zlib.compress(body)
    parts = [whole[start : start + 300] for start in range(0, len(whole), 300)]
    count = len(parts)
    standard = [
        b"\x1e\x0f" + b"12345678" + bytes([number, count]) + part
        for number, part in enumerate(parts)
    ]
    assembler = Assembler()
    random.Random(4).shuffle(standard)

    assert assembler.take(CHUNKS[0], "a") is None
    results = [assembler.take(each, "a") for each in standard]
    assert [each for each in results if each] == [body]
    assert assembler.take(CHUNKS[1], "a")


def test_chunks_of_two_senders_are_not_mixed():
    assembler = Assembler()

    assert assembler.take(CHUNKS[0], "a") is None
    assert assembler.take(CHUNKS[1], "b") is None


def test_chunks_that_never_come_are_forgotten_and_counted():
    assembler = Assembler()
    for sender in range(1000):
        assembler.take(CHUNKS[0], sender)
        assembler.take(b"\x1e\x0f\x07\x01\x02later", sender)

    assert 900 < assembler.incomplete_total <= 1000
    assert len(assembler._pending) <= 65


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"garbage",
        b"\x1e\x0f",
        b"\x1e\x0f\x01\x09\x02rest of it",
        zlib.compress(LINES[0].encode())[:-6],
        zlib.compress(b"0" * (MAX_RECORD_BYTES + 1)),
        gzip.compress(bytes(100_000_000), 9),
        b"\x78\x9c" + b"\xff" * 50,
    ],
    ids=["empty", "garbage", "no header", "no chunk", "half", "large", "bomb", "damaged"],
)
def test_an_unreadable_datagram_is_refused(datagram):
    with pytest.raises(UnreadableError):
        Assembler().take(datagram, "a")


def test_a_damaged_datagram_raises_nothing_else():
    rng = random.Random(5)
    whole = zlib.compress(LINES[5].encode())
    assembler = Assembler()
    for _ in range(3000):
        damaged = bytearray(rng.choice([whole, *CHUNKS]))
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            assembler.take(bytes(damaged[: rng.randint(0, len(damaged))]), rng.randint(0, 3))
        except UnreadableError:
            continue


def test_the_kernels_drops_are_read_for_a_port(tmp_path):
    table = tmp_path / "udp"
    table.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
        "  timeout inode ref pointer drops\n"
        "  77: 0100007F:2FA9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0"
        "        0 51 2 0000000000000000 12\n"
        "  78: 0100007F:2FAA 00000000:0000 07 00000000:00000000 00:00000000 00000000     0"
        "        0 52 2 0000000000000000 3\n"
    )

    assert read_drops(12201, table) == 12
    assert read_drops(1, table) == 0
    assert read_drops(1, tmp_path / "none") == 0


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_records_are_stored_once_counted_and_relayed(spool, tmp_path, in_thread):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as graylog:
        graylog.bind(("127.0.0.1", 0))
        graylog.settimeout(10)
        settings = Gelf(port=free_udp_port(), relay_to=f"127.0.0.1:{graylog.getsockname()[1]}")
        source = GelfReceiver(spool, settings, node="mx-01")
        wanted = [each for each in VECTORS if each["event"]]
        sent = [zlib.compress(compact(each["record"])) for each in VECTORS]
        in_thread(source)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", settings.port))
            until(lambda: source.health().succeeded_at is not None, what="the socket")
            for datagram in (*sent, *sent, b"garbage", *CHUNKS):
                client.send(datagram)
            relayed = [graylog.recv(65535) for _ in range(2 * len(sent) + 3)]
            until(lambda: len(read_events(spool)) > len(wanted), what="the events")

        assert relayed == [*sent, *sent, b"garbage", *CHUNKS]
        assert len(read_events(spool)) == len(wanted) + 1  # that of the chunks
    counters = read_summary(tmp_path)["counters"]
    assert counters[receiver.UNREADABLE] == 1
    assert counters[receiver.TAKEN] == 2 * len(wanted) + 1
    assert source.health().unreadable_total == 1


def test_a_foreign_sender_is_counted_and_not_read(spool, tmp_path, in_thread, monkeypatch):
    monkeypatch.setattr(receiver, "HEALTH_INTERVAL_S", 0.1)
    settings = Gelf(port=free_udp_port(), allow="10.0.0.0/8")
    source = GelfReceiver(spool, settings, node="mx-01")
    in_thread(source)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        until(lambda: source.health().succeeded_at is not None, what="the socket")
        client.sendto(compact(VECTORS[6]["record"]), ("127.0.0.1", settings.port))
        until(lambda: read_summary(tmp_path)["counters"].get(receiver.FOREIGN) == 1)

    assert read_events(spool) == []


def test_a_port_that_is_taken_is_reported_with_the_fix(spool, in_thread):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        source = GelfReceiver(spool, Gelf(port=other.getsockname()[1]), node="mx-01")
        in_thread(source)
        until(lambda: source.health().last_error is not None, what="the error")

    assert "relay_to" in source.health().last_error
