"""The API against its own description, with bodies that are generated."""

import pytest
import schemathesis
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from server.nodes.models import ApiKey

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
EXAMPLES = 40
KINDS = ["system", "zonemta", "haraka", "wildduck", "mongodb", "redis", "rspamd", "agent"]

OPERATIONS = [
    ("POST", "/api/v1/events/ingest"),
    *(("POST", f"/api/v1/metrics/{kind}") for kind in KINDS),
    ("POST", "/api/v1/nodes"),
    ("GET", "/api/v1/changes"),
    ("GET", "/api/v1/email/queue/share"),
    ("GET", "/api/v1/email/throughput"),
    ("GET", "/api/v1/email/stats"),
    ("GET", "/api/v1/email/performance"),
    ("GET", "/api/v1/email/bounce-analysis"),
    ("GET", "/api/v1/email/unclassified-replies"),
    ("GET", "/api/v1/email/sizes"),
    ("GET", "/api/v1/email/events"),
    ("GET", "/api/v1/email/events.csv"),
    ("GET", "/api/v1/email/events.json"),
    ("GET", "/api/v1/email/events/{event_id}"),
    ("GET", "/api/v1/nodes"),
    ("GET", "/api/v1/nodes/{name}"),
    ("GET", "/api/v1/nodes/{name}/metrics"),
    ("GET", "/api/v1/metrics/{kind}"),
    ("GET", "/api/v1/email/inbound"),
    ("GET", "/api/v1/email/queue"),
    ("GET", "/api/v1/completeness"),
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/health/ready"),
]


@pytest.fixture(scope="module")
def description():
    """The description, to be called in this process."""
    described = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))
    described.app = get_wsgi_application()
    return described


@pytest.fixture
def identity(committing_database: None) -> dict[str, dict[str, dict[str, str]]]:
    """A reader's session and an agent's key, by method: what is read, and what is sent."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("reader"))
    key = ApiKey.issue(name="fuzz", scope="agent")[1]
    # Called in this process, no client unpacks an answer.
    plain = {"Accept-Encoding": "identity"}
    session = {"sessionid": client.cookies["sessionid"].value}
    return {
        "GET": {"cookies": session, "headers": plain},
        "POST": {"headers": {"Authorization": f"Bearer {key}", **plain}},
    }


def test_every_operation_is_tried(description):
    described = {(o.ok().method.upper(), o.ok().path) for o in description.get_all_operations()}

    assert described == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_the_description_promises(
    method, path, description, identity, empty_redis
):
    @given(case=description[path][method].as_strategy())
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,  # a machine may be slow
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,  # a test that passes today passes tomorrow
    )
    def promise_is_kept(case):
        case.call_and_validate(**identity[method], checks=CHECKS)

    promise_is_kept()
