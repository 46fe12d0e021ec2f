import pytest
from django.utils import timezone

from server.nodes.models import ApiKey, Node

pytestmark = pytest.mark.django_db


def test_a_node_registers_and_again_with_another_address(post, golden):
    registration = golden("node.json")
    first = post("nodes", registration)
    again = post("nodes", registration | {"addresses": ["10.0.0.99"]})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["node_id"] == "mta-01"
    node = Node.objects.get()
    assert (node.hostname, node.role, node.addresses) == (
        "mta-01.example",
        "zonemta-outbound",
        ["10.0.0.99"],
    )


def test_a_key_of_one_node_registers_no_other(post, golden):
    answer = post("nodes", golden("node.json") | {"node_id": "mta-02"})

    assert answer.status_code == 403
    assert not Node.objects.filter(name="mta-02").exists()


def test_a_key_of_no_node_registers_any(post, golden):
    _, key = ApiKey.issue(name="roll-out", scope="agent")

    assert post("nodes", golden("node.json") | {"node_id": "mta-09"}, key=key).status_code == 200
    assert Node.objects.filter(name="mta-09").exists()


@pytest.mark.parametrize(
    "change", [{"node_id": ""}, {"node_id": "a\nb"}, {"addresses": ["x"]}, {"hostname": 5}]
)
def test_a_registration_that_cannot_be_read_is_400(post, golden, change):
    assert post("nodes", golden("node.json") | change).status_code == 400


def test_a_key_of_any_node_adds_a_bounded_number_of_nodes_in_a_time(post, golden, settings):
    settings.NEW_NODES_RATE = "5/hour"
    _, key = ApiKey.issue(name="roll-out", scope="agent")

    def register(name):
        return post("nodes", golden("node.json") | {"node_id": name}, key=key).status_code

    assert [register(f"new-{n}") for n in range(7)] == [200] * 5 + [429] * 2
    assert register("new-0") == register("mta-01") == 200  # known ones go on
    assert Node.objects.filter(name__startswith="new-").count() == 5


def test_one_post_of_samples_cannot_add_thousands_of_nodes(post, golden, settings):
    settings.NEW_NODES_RATE = "200/hour"
    _, key = ApiKey.issue(name="roll-out", scope="agent")
    now = timezone.now().isoformat()
    sample = golden("metrics_redis.json") | {"timestamp": now}

    def send(count):
        samples = [sample | {"node_id": f"mta-{n}"} for n in range(count)]
        return post("metrics/redis", samples, key=key)

    answer = send(1_000)
    assert (answer.status_code, "new nodes" in answer.content.decode()) == (429, True)
    assert [send(150).status_code, send(150).status_code, send(201).status_code] == [202, 202, 429]
