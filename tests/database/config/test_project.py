"""Guards over the server: migrations both ways, the OpenAPI description, the settings."""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks.registry import registry
from django.core.management import call_command
from django.db import connection

from server.metrics import catalogue
from server.rollups.levels import LEVELS
from server.rollups.maintainer import written_levels
from server.rollups.samples import levels as sample_levels
from server.rollups.samples.maintainer import written_kinds

ROOT = Path(settings.BASE_DIR)
SAMPLE_LEVELS = {level.table for level in sample_levels.all_levels()}
FACTS = {
    "email_events",
    *(level.table for level in LEVELS),
    *(kind.table for kind in catalogue.KINDS),
    *SAMPLE_LEVELS,
}
OURS = ["rollups", "ledger", "events", "metrics", "mailqueues", "ingest", "nodes"]


@pytest.mark.django_db(transaction=True)
def test_migrations_go_back_to_nothing_and_forwards_again():
    for app in OURS:
        call_command("migrate", app, "zero", verbosity=0)
    assert not FACTS & set(connection.introspection.table_names(include_views=True))

    call_command("migrate", verbosity=0)

    assert set(connection.introspection.table_names(include_views=True)) >= FACTS


@pytest.mark.django_db
def test_the_facts_are_hypertables():
    with connection.cursor() as cursor:
        cursor.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
        hypertables = {row[0] for row in cursor.fetchall()}
    by_timescaledb = {level.table for level in set(LEVELS) - set(written_levels())}
    if not written_kinds(catalogue.KINDS):
        by_timescaledb |= SAMPLE_LEVELS
    assert hypertables == FACTS - by_timescaledb


@pytest.mark.django_db
def test_no_model_changed_without_a_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_checks_of_every_app_are_registered():
    names = {check.__module__ for check in registry.get_checks(include_deployment_checks=True)}

    for path in ROOT.glob("server/*/checks.py"):
        assert f"server.{path.parent.name}.checks" in names


def test_the_openapi_description_is_valid_and_complete():
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_every_setting_of_ours_is_documented():
    source = (ROOT / "server/config/settings/base.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    documented = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/configuration.md").read_text()))

    assert len(names) > 10
    assert names <= documented


def test_production_does_not_start_without_its_secrets():
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "server.config.settings.production",
    }

    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode != 0
    assert "Set the SECRET_KEY environment variable" in run.stderr


@pytest.mark.django_db
def test_the_database_check_finds_timescaledb():
    call_command("check", databases=["default"], fail_level="WARNING")
