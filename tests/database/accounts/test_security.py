"""Headers and refusals of a production site, by its own settings."""

import os
import re
import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.test import Client

from server.accounts import roles
from server.accounts.roles import Role

PASSWORD = "a long enough password"
NEW = "quite another long phrase"

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer():
    user = User.objects.create_user("viewer", password=PASSWORD)
    roles.assign(user, Role.VIEWER)
    return user


def logged_in(name="viewer", password=PASSWORD):
    client = Client()
    client.post("/login/", {"username": name, "password": password})
    return client


def change(client, old, new):
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/password/", form)


def test_everybody_may_change_their_own_password_and_sessions_elsewhere_end(viewer):
    here, elsewhere = logged_in(), logged_in()

    answer = change(here, PASSWORD, NEW)

    assert answer.status_code == 302
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302
    assert logged_in(password=NEW).get("/").status_code == 200


@pytest.mark.parametrize(
    ("old", "new"), [("wrong", NEW), (PASSWORD, "short"), (PASSWORD, "1" * 12)]
)
def test_a_wrong_old_or_a_weak_new_password_is_refused(viewer, old, new):
    answer = change(logged_in(), old, new)

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert User.objects.get().check_password(PASSWORD)


def test_logging_in_gives_a_new_session_and_logging_out_ends_it(viewer, settings):
    client = Client()
    client.get("/login/")
    before = client.cookies.get(settings.SESSION_COOKIE_NAME)
    client.post("/login/", {"username": "viewer", "password": PASSWORD})
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/logout/")
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = session

    assert before is None or before.value != session
    assert thief.get("/").status_code == 302


def test_logging_in_leads_nowhere_else(viewer):
    form = {"username": "viewer", "password": PASSWORD, "next": "https://evil.example/"}

    assert Client().post("/login/", form)["location"] == "/"


def test_a_form_without_its_token_is_refused(viewer):
    client = Client(enforce_csrf_checks=True)

    answer = client.post("/login/", {"username": "viewer", "password": PASSWORD})

    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/login/", "/api/v1/health", "/api/v1/nodes"])
def test_no_page_of_another_origin_may_read_an_answer(path):
    origin = {"origin": "https://evil.example", "access-control-request-method": "GET"}

    for answer in (Client().get(path, headers=origin), Client().options(path, headers=origin)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_password_fields_hide_what_is_typed_and_take_what_a_manager_puts_in(viewer):
    login = Client().get("/login/").content.decode()
    own = logged_in().get("/password/").content.decode()

    fields = re.findall(r'<input[^>]*type="password"[^>]*>', login + own)
    assert len(fields) == 4
    assert all('autocomplete="' in field for field in fields)
    assert not [field for field in fields if "onpaste" in field or "maxlength" in field]


def test_a_password_is_taken_exactly_as_it_was_typed():
    odd = "  spaces and Ünïcödé stay  "
    User.objects.create_user("odd", password=odd)

    assert logged_in("odd", odd).get("/").status_code in (200, 403)
    assert logged_in("odd", odd.strip()).get("/").status_code == 302


def test_an_installation_begins_without_an_account():
    assert not User.objects.exists()


@pytest.mark.parametrize("path", ["/.git/config", "/manage.py", "/server/config/settings/base.py"])
def test_nothing_of_the_checkout_is_served(viewer, path):
    assert logged_in().get(path).status_code == 404


def test_a_name_the_site_was_not_given_gets_no_page(settings):
    settings.ALLOWED_HOSTS = ["mallard.example"]

    assert Client().get("/login/", headers={"host": "evil.example"}).status_code == 400
    assert Client().get("/login/", headers={"host": "mallard.example"}).status_code == 200


def test_production_s_settings_pass_the_deployment_check():
    # Redis is not checked here: that check has its own tests.
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "server.config.settings.production",
        "SECRET_KEY": "".join(chr(33 + n) for n in range(60)),
        "ALLOWED_HOSTS": "mallard.example",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--tag", "security"]

    done = subprocess.run(
        [*command, "--fail-level", "WARNING"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_production_s_cookies_are_bound_to_the_host_and_tls():
    from server.config.settings import base as production

    assert production.SESSION_COOKIE_NAME.startswith("__Host-")
    assert production.CSRF_COOKIE_NAME.startswith("__Host-")
    assert production.SESSION_COOKIE_SECURE
    assert production.CSRF_COOKIE_SECURE
    assert production.SECURE_HSTS_SECONDS >= 31_536_000
