from io import StringIO

import pytest
from django.core.management import call_command

from server.nodes.keys import parse_key
from server.nodes.models import ApiKey

pytestmark = pytest.mark.django_db


def test_the_command_prints_the_key_alone_and_binds_it_to_its_node():
    out = StringIO()

    call_command("create_api_key", name="agent", node="mta-07", stdout=out)

    key = ApiKey.objects.get()
    assert parse_key(out.getvalue().strip()).prefix == key.prefix
    assert (key.node.name, key.scope) == ("mta-07", "agent")
