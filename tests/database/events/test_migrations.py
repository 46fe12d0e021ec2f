"""Migrations of the events."""

import pytest
from django.core.management import call_command

from tests.factories import row, stored_events, write


@pytest.mark.django_db
def test_dropping_the_model_leaves_the_table_as_it_is_either_way():
    write(row())

    for name in ("0004_index_of_inferred", "0005_no_model_of_email_events"):
        call_command("migrate", "events", name, verbosity=0)

        assert len(stored_events()) == 1
