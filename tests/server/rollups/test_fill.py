from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from server.events.models import EmailEvent

pytestmark = pytest.mark.django_db
UNTIL = "2026-11-21T12:00:00Z"


def fill(**options):
    out = StringIO()
    call_command("fill", "--until", options.pop("until", UNTIL), stdout=out, **options)
    return out.getvalue()


def test_the_same_seed_fills_nothing_twice():
    fill(hours=2, events_per_hour=100)
    count = EmailEvent.objects.count()

    again = fill(hours=2, events_per_hour=100)

    assert count > 100
    assert ": 0 new events" in again
    assert EmailEvent.objects.count() == count


def test_every_generated_event_says_so_in_its_node_name():
    fill(hours=1, events_per_hour=100)

    assert not EmailEvent.objects.exclude(mta_node__startswith="generated-").exists()


def test_a_time_without_zone_is_refused_with_the_fix():
    with pytest.raises(CommandError, match="no time zone"):
        fill(until="2026-11-21T12:00:00")
