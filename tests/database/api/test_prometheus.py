"""The server's own figures, as Prometheus and an administrator get them."""

import pytest
from django.contrib.auth.models import User
from prometheus_client.parser import text_string_to_metric_families

from server.accounts import roles
from server.accounts.roles import Role
from server.ingest import writer
from server.ingest.models import DeadLetter
from server.nodes.models import ApiKey

pytestmark = pytest.mark.usefixtures("committing_database", "empty_redis")


@pytest.fixture
def figures(client):
    _, key = ApiKey.issue(name="prometheus", scope=ApiKey.Scope.READ)

    def scrape():
        answer = client.get("/metrics", headers={"authorization": f"Bearer {key}"})
        assert answer["content-type"].startswith("text/plain")
        families = text_string_to_metric_families(answer.content.decode())
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }

    return scrape


def test_what_waits_and_what_was_stored_is_reported(post, event, figures):
    post("events/ingest", [event() for _ in range(3)])

    waiting = figures()
    writer.drain_events()
    stored = figures()

    assert waiting["mallard_inbox_batches", "events"] == 1
    assert waiting["mallard_inbox_bytes", "events"] > 0
    assert waiting["mallard_inbox_oldest_seconds", "events"] >= 0
    assert stored["mallard_inbox_batches", "events"] == 0
    assert stored["mallard_events_stored_total",] == 3


def test_dead_letters_and_nodes_are_counted(node, figures):
    DeadLetter.objects.create(kind="events", node="mta-01", reason="x", payload="y")

    values = figures()

    assert values["mallard_dead_letters",] == 1
    assert values["mallard_nodes",] == 1
    assert values["mallard_nodes_reporting",] == 0
    assert values["mallard_figures_missing",] == 0


def test_a_part_that_does_not_answer_leaves_the_others_be(figures, settings):
    settings.LIVE_REDIS_URL = "redis://127.0.0.1:1/0"

    values = figures()

    assert values["mallard_figures_missing",] == 1
    assert ("mallard_events_stored_total",) not in values
    assert values["mallard_dead_letters",] == 0


def test_strangers_learn_nothing(client):
    assert client.get("/metrics").status_code in {401, 403}


def test_an_administrator_sees_parts_and_figures_and_an_operator_does_not(admin_client, client):
    page = admin_client.get("/admin/server/").content.decode()
    operator = User.objects.create_user("operator")
    roles.assign(operator, Role.OPERATOR)
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")

    assert "mallard_inbox_batches" in page
    assert "batches wait to be stored" in page
    assert "/admin/server/" in admin_client.get("/admin/").content.decode()
    assert client.get("/admin/server/").status_code == 403
