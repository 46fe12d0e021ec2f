"""Registrations of nodes beside a writer that makes new chunks, which lock the table of nodes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from server.metrics.models import RedisSample, SystemSample
from server.metrics.wire import SAMPLES
from server.nodes import store
from server.nodes.models import Node
from server.storage.samples_writer import write_samples
from tests import waiting
from tests.factories import NOW
from tests.random_samples import samples

pytestmark = pytest.mark.usefixtures("committing_database")
#: Waits for the table of nodes, or for the end of a transaction that holds one of its rows.
WAITS = """SELECT count(*) FROM pg_locks
WHERE NOT granted
  AND (relation = 'nodes_node'::regclass OR locktype IN ('transactionid', 'advisory'))"""


def register(name):
    try:
        return store.register(name, {"agent_version": "0.2.0", "versions": {"redis": "7.0"}})
    finally:
        connection.close()


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute(WAITS)
        return cursor.fetchone()[0]


@pytest.mark.parametrize("name", ["mta-01", "mta-new"], ids=["known", "new"])
def test_a_node_registers_while_the_first_chunk_of_its_samples_is_made(name):
    Node.objects.create(name="mta-01")
    minute = timedelta(minutes=1)

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            write_samples(samples(NOW, NOW + minute, every=minute, nodes=1))
            registration = pool.submit(register, name)
            waiting.until(somebody_waits, what="the registration waits for the new chunk")
        registered = registration.result(timeout=30)

    assert registered.agent_version == "0.2.0"
    assert Node.objects.get(name=name).versions == {"redis": "7.0"}
    assert SystemSample.objects.filter(node__name="mta-01").exists()


def test_the_first_chunk_of_a_nodes_samples_is_made_while_the_node_registers():
    node = Node.objects.create(name="mta-01")
    minute = timedelta(minutes=1)

    def write():
        try:
            write_samples(samples(NOW, NOW + minute, every=minute, nodes=1))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            store.register("mta-01", {"agent_version": "0.2.0", "versions": {}})
            writing = pool.submit(write)
            waiting.until(somebody_waits, what="the writer waits for the registration")
        writing.result(timeout=30)

    assert SystemSample.objects.filter(node=node).exists()


def test_two_writers_make_the_first_chunks_of_two_kinds_one_after_the_other():
    minute = timedelta(minutes=1)
    made = samples(NOW, NOW + 20 * minute, every=minute, nodes=1)
    of_kind = {
        kind: [sample for sample in made if isinstance(sample, kind)]
        for kind in (SAMPLES["system"], SAMPLES["redis"])
    }

    def write_redis():
        try:
            write_samples(of_kind[SAMPLES["redis"]])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            write_samples(of_kind[SAMPLES["system"]])
            writing = pool.submit(write_redis)
            waiting.until(somebody_waits, what="the second writer waits for the first")
            write_samples(of_kind[SAMPLES["redis"]][:1])
        writing.result(timeout=30)

    assert RedisSample.objects.count() == len(of_kind[SAMPLES["redis"]])
