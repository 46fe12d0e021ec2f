"""Names that others use stay: tables, columns, permissions, roles, metrics, queues, Redis keys.

The names that need no database are in tests/unit/test_published_names.py.
"""

import re
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from server.nodes.models import ApiKey
from tests.published import check


@pytest.mark.django_db
def test_published_names_of_tables_and_columns():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, array_agg(column_name::text ORDER BY column_name)"
            " FROM information_schema.columns WHERE table_schema = current_schema()"
            " GROUP BY table_name"
        )
        tables = dict(cursor.fetchall())
    foreign = ("auth_", "axes_", "django_")

    check("tables", {name: tables[name] for name in tables if not name.startswith(foreign)})


@pytest.mark.django_db
def test_published_names_of_roles_and_their_permissions():
    check(
        "roles",
        {
            group.name: sorted(
                f"{permission.content_type.app_label}.{permission.codename}"
                for permission in group.permissions.select_related("content_type")
            )
            for group in Group.objects.all()
        },
    )


@pytest.mark.usefixtures("committing_database", "empty_redis")
def test_published_names_of_metrics_queues_and_keys(post, event, golden, client):
    post("events/ingest", [event()])
    sample = golden("metrics_system.json") | {"timestamp": timezone.now().isoformat()}
    post("metrics/system", sample)
    _, key = ApiKey.issue(name="prometheus", scope=ApiKey.Scope.READ)
    answer = client.get("/metrics", headers={"authorization": f"Bearer {key}"})
    with redis.Redis.from_url(settings.INBOX_REDIS_URL) as inbox:
        keys = sorted(key.decode() for key in inbox.scan_iter())

    metrics = {
        f"{family.name} ({family.type})": sorted({n for s in family.samples for n in s.labels})
        for family in text_string_to_metric_families(answer.content.decode())
    }
    check("metrics", metrics)
    sources = (Path(settings.BASE_DIR) / "server").rglob("*.py")
    queues = {
        name
        for source in sources
        for name in re.findall(r'\bqueue_name="(\w+)"', source.read_text())
    }
    check("queues", {"inbox": keys, "broker": sorted(queues)})
