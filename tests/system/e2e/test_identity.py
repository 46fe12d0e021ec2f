"""Deliveries that only their sequence tells apart, through a real ZoneMTA and both sources."""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from build.stack import agent, wildduck, zonemta
from build.stack.ports import LOOPBACK
from tests.system.e2e import cluster, mailbox, queueing
from tests.system.e2e.cluster import Cluster
from tests.waiting import until

pytestmark = pytest.mark.stack
SENDER = "alice@corp.example"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster.running(tmp_path_factory.mktemp("identity"), plugin=True) as running:
        yield running


def relay(programs: Cluster, queue_id: str, recipients: Sequence[str]) -> None:
    queueing.queue_as_wildduck(programs.mongo.uri, queue_id, SENDER, recipients)


def send(programs: Cluster, recipients: Sequence[str], *, sender: str = SENDER) -> str:
    queue_id = queueing.send_by_api(programs.mta.api_port, sender, recipients)
    assert queue_id
    return queue_id


def delete(programs: Cluster, queue_id: str, seq: str) -> None:
    queueing.request_mta(programs.mta.api_port, "DELETE", f"/message/{queue_id}/{seq}")


def read_events(programs: Cluster, queue_id: str) -> Counter[tuple[str, str, str]]:
    rows = programs.rows(
        "SELECT event_type, queue_seq, coalesce(to_address, '') FROM email_events"
        " WHERE queue_id = %s",
        queue_id,
    )
    return Counter(tuple(row) for row in rows)


def count_of(programs: Cluster, queue_id: str, event_type: str) -> int:
    return sum(n for key, n in read_events(programs, queue_id).items() if key[0] == event_type)


def test_two_recipients_whose_addresses_differ_in_case_are_two_deliveries(programs: Cluster):
    recipients = ["ok-Case@good.example", "ok-case@good.example"]
    queue_id = send(programs, recipients)

    until(lambda: len(read_events(programs, queue_id)) >= 4, what="four events", within_s=60)

    assert read_events(programs, queue_id) == Counter(
        (event_type, f"{number:03x}", recipient)
        for number, recipient in enumerate(recipients, start=1)
        for event_type in ("sent", "delivered")
    )


def test_wildducks_two_relays_of_one_address_are_two_deliveries(programs: Cluster):
    recipient = "ok-relay@good.example"
    relay(programs, "1a1fd92f960000aaaa", [recipient, recipient])

    until(lambda: len(read_events(programs, "1a1fd92f960000aaaa")) >= 4, within_s=60)

    assert read_events(programs, "1a1fd92f960000aaaa") == Counter(
        (event_type, seq, recipient)
        for seq in ("001", "002")
        for event_type in ("sent", "delivered")
    )


def test_what_a_zonemta_deletes_that_did_not_route_it_is_dropped_once_and_named(
    programs: Cluster,
):
    recipients = ["defer-one@good.example", "defer-two@good.example"]
    queue_id = "1a1fd92f960000bbbb"
    relay(programs, queue_id, recipients)
    deferred = {("deferred", seq) for seq in ("001", "002")}
    until(lambda: deferred <= {key[:2] for key in read_events(programs, queue_id)}, within_s=60)

    delete(programs, queue_id, "001")
    delete(programs, queue_id, "002")
    until(lambda: len(read_events(programs, queue_id)) >= 6, what="two deletions", within_s=60)

    dropped = {key: n for key, n in read_events(programs, queue_id).items() if key[0] == "dropped"}
    assert dropped == {
        ("dropped", f"{number:03x}", recipient): 1
        for number, recipient in enumerate(recipients, start=1)
    }


def test_what_is_deleted_after_zonemta_started_again_is_dropped_once_and_named(programs: Cluster):
    recipients = ["defer-three@good.example", "defer-four@good.example"]
    queue_id = send(programs, recipients)
    until(lambda: len(read_events(programs, queue_id)) >= 4, what="deferred", within_s=60)

    programs.mta.running.start_again()
    delete(programs, queue_id, "001")
    delete(programs, queue_id, "002")
    until(lambda: count_of(programs, queue_id, "dropped") >= 2, what="deletions", within_s=60)

    assert {
        key: n for key, n in read_events(programs, queue_id).items() if key[0] == "dropped"
    } == {
        ("dropped", f"{number:03x}", recipient): 1
        for number, recipient in enumerate(recipients, start=1)
    }


def test_a_bounce_with_a_null_sender_has_one_row_where_two_agents_see_one_queue(
    programs: Cluster, tmp_path: Path
):
    # The second has no instance set and no plugin: it infers that mail whose bounce nobody is
    # notified of was delivered.
    key = programs.site.manage("create_api_key", "--node", "mta-02", "--name", "two").strip()
    second = agent.start(
        programs.supervisor,
        tmp_path,
        server_url=programs.server.url,
        api_key=key,
        node="mta-02",
        mongo_uri=programs.mongo.uri_of(zonemta.DATABASE),
    )
    recipients = [f"bounce-null-{n}@good.example" for n in range(6)]
    queue_id = send(programs, recipients, sender="")
    received = (
        "SELECT coalesce(sum(upper(received) - 1), 0) FROM ledger_epoch WHERE node = 'mta-02'"
    )

    until(lambda: programs.rows(received)[0][0] >= 12, what="the second agent's", within_s=90)
    until(lambda: count_of(programs, queue_id, "bounced") == 6, what="bounces", within_s=60)
    second.running.stop()

    assert read_events(programs, queue_id) == Counter(
        (event_type, f"{number:03x}", recipient)
        for number, recipient in enumerate(recipients, start=1)
        for event_type in ("sent", "bounced")
    )


def test_what_wildduck_does_with_mail_and_logins_is_one_event_each(
    programs: Cluster, tmp_path: Path
):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((LOOPBACK, 0))
        gelf_port = free.getsockname()[1]
    uri = programs.mongo.uri_of(wildduck.DATABASE)
    started = wildduck.start(
        programs.supervisor,
        tmp_path,
        mongo_uri=uri,
        redis_port=programs.redis.port,
        sends=True,
        gelf_port=gelf_port,
    )
    key = programs.site.manage("create_api_key", "--node", "mailbox-01", "--name", "m").strip()
    watching = agent.start(
        programs.supervisor,
        tmp_path,
        server_url=programs.server.url,
        api_key=key,
        node="mailbox-01",
        environment={
            "NODE_ROLE": "wildduck",
            "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI": uri,
            "AGENT_GELF_PORT": str(gelf_port),
        },
    )
    users = {name: mailbox.make_user(started, name) for name in ("plain", "junk", "auto")}
    users["fwd"] = mailbox.make_user(started, "fwd", targets=["ok-forwarded@good.example"])
    matched = mailbox.add_filter(started, users["junk"], {"spam": True})
    mailbox.answer_mail(started, users["auto"])
    assert mailbox.log_in(started, "plain")
    mailbox.deliver(started, "plain")
    mailbox.deliver(started, "fwd")
    until(lambda: count_of_node(programs, "mailbox-01") == 4, what="four events", within_s=60)
    watching.running.kill()
    mailbox.deliver(started, "junk")
    mailbox.deliver(started, "auto")
    assert mailbox.log_in(started, "plain")
    assert not mailbox.log_in(started, "plain", "wrong")
    watching.running.start_again()
    assert not mailbox.log_in(started, "nobody")
    until(lambda: count_of_node(programs, "mailbox-01") == 9, what="nine events", within_s=60)

    rows = programs.rows("SELECT * FROM email_events WHERE mta_node = 'mailbox-01'")
    assert Counter((row["event_type"], row["account"]) for row in rows) == Counter(
        [("stored", users[name]) for name in users]
        + [("forwarded", users["fwd"])]
        + [("login", users["plain"])] * 2
        + [("login_failed", users["plain"]), ("login_failed", None)]
    )
    stored = {row["to_address"]: row for row in rows if row["event_type"] == "stored"}
    assert stored[mailbox.address("plain")]["mailbox"] == "INBOX"
    assert stored[mailbox.address("junk")]["filter_outcome"] == f"spam, {matched}"
    assert stored[mailbox.address("junk")]["mailbox"] == "Junk"
    (forwarded,) = [row for row in rows if row["event_type"] == "forwarded"]
    assert forwarded["caused_queue_id"] == stored[mailbox.address("fwd")]["caused_queue_id"]
    assert stored[mailbox.address("auto")]["caused_queue_id"]
    until(
        lambda: count_of(programs, forwarded["caused_queue_id"], "delivered") == 1, what="forward"
    )
    (sent,) = programs.rows(
        "SELECT parent_id, origin FROM email_events WHERE queue_id = %s AND event_type = 'sent'",
        forwarded["caused_queue_id"],
    )
    assert sent == [stored[mailbox.address("fwd")]["wildduck_id"], "forward"]
    assert "secret" not in repr(rows)
    watching.running.stop()
    started.running.stop()


def count_of_node(programs: Cluster, node: str) -> int:
    count = "SELECT count(*) FROM email_events WHERE mta_node = %s"
    return int(programs.rows(count, node)[0][0])


def test_bounces_of_odd_recipients_are_bounced_for_the_stream_alone(
    tmp_path_factory: pytest.TempPathFactory,
):
    recipients = [
        "bounce-jürgen.müller@good.example",
        '"bounce-two words"@good.example',
        '"bounce-a.\\"b\\""@good.example',
        "bounce-o'hara+tag@good.example",
    ]
    with cluster.running(tmp_path_factory.mktemp("odd"), plugin=False) as programs:
        queue_id = send(programs, recipients)
        until(
            lambda: len(read_events(programs, queue_id)) >= 2 * len(recipients),
            what="an outcome each",
            within_s=90,
        )

        outcomes = Counter(key[0] for key in read_events(programs, queue_id).elements())
        assert outcomes == {"sent": len(recipients), "bounced": len(recipients)}
