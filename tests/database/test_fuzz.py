"""The API against its own description, with bodies that are generated."""

import pytest
import schemathesis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from django.middleware.csrf import CSRF_SECRET_LENGTH
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from server.nodes.models import ApiKey

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
EXAMPLES = 40
#: Paths at which people act, not agents.
ACTED = (
    "/api/v1/incidents",
    "/api/v1/rules",
    "/api/v1/silences",
    "/api/v1/routes",
    "/api/v1/email/reclassifications",
)
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
    ("GET", "/api/v1/trace"),
    ("GET", "/api/v1/trace/messages"),
    ("GET", "/api/v1/nodes"),
    ("GET", "/api/v1/nodes/{name}"),
    ("GET", "/api/v1/nodes/{name}/metrics"),
    ("GET", "/api/v1/metrics/{kind}"),
    ("GET", "/api/v1/email/inbound"),
    ("GET", "/api/v1/email/queue"),
    ("GET", "/api/v1/email/replies"),
    ("GET", "/api/v1/email/blocks"),
    ("GET", "/api/v1/email/reclassifications"),
    ("POST", "/api/v1/email/reclassifications"),
    ("GET", "/api/v1/email/profile"),
    ("GET", "/api/v1/email/sending-ips"),
    ("GET", "/api/v1/email/sending-ips.csv"),
    ("GET", "/api/v1/completeness"),
    ("GET", "/api/v1/alerts"),
    ("GET", "/api/v1/incidents"),
    ("GET", "/api/v1/incidents/{id}"),
    ("POST", "/api/v1/incidents/{id}"),
    ("GET", "/api/v1/rules"),
    ("GET", "/api/v1/rules/{name}"),
    ("POST", "/api/v1/rules/{name}"),
    ("POST", "/api/v1/rules"),
    ("PATCH", "/api/v1/rules/{name}"),
    ("DELETE", "/api/v1/rules/{name}"),
    ("POST", "/api/v1/rules/preview"),
    ("GET", "/api/v1/silences"),
    ("POST", "/api/v1/silences"),
    ("GET", "/api/v1/silences/{id}"),
    ("DELETE", "/api/v1/silences/{id}"),
    ("GET", "/api/v1/routes"),
    ("POST", "/api/v1/routes"),
    ("GET", "/api/v1/routes/preview"),
    ("GET", "/api/v1/routes/{id}"),
    ("PATCH", "/api/v1/routes/{id}"),
    ("DELETE", "/api/v1/routes/{id}"),
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
    """A reader's session, an agent's key, and an operator's session with its token against forged
    forms, by what is done: what is read, what is sent, and what a person does."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("reader"))
    key = ApiKey.issue(name="fuzz", scope="agent")[1]
    # Called in this process, no client unpacks an answer.
    plain = {"Accept-Encoding": "identity"}
    session = {"sessionid": client.cookies["sessionid"].value}
    token = "a" * CSRF_SECRET_LENGTH
    return {
        "GET": {"cookies": session, "headers": plain},
        "POST": {"headers": {"Authorization": f"Bearer {key}", **plain}},
        "ACT": {
            "cookies": {**session, settings.CSRF_COOKIE_NAME: token},
            "headers": {"X-CSRFToken": token, **plain},
        },
    }


def test_every_operation_is_tried(description):
    described = {(o.ok().method.upper(), o.ok().path) for o in description.get_all_operations()}

    assert described == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_the_description_promises(
    method, path, description, identity, empty_redis
):
    acts = method in ("DELETE", "PATCH") or (method == "POST" and path.startswith(ACTED))

    @given(case=description[path][method].as_strategy())
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,  # a machine may be slow
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,  # a test that passes today passes tomorrow
    )
    def promise_is_kept(case):
        case.call_and_validate(**identity["ACT" if acts else method], checks=CHECKS)

    promise_is_kept()
