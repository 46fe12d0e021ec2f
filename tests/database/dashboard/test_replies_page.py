"""Replies without a class: the list, what a person assigns, and what stored events get of it."""

import math
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from server.accounts import roles
from server.accounts.roles import Role
from server.events import reply_classes
from server.events.bounce_classes import assigned
from server.events.bounce_classes.classify import find_meaning
from server.events.models import ReplyClass
from server.events.outcomes import find_facts
from server.ingest import actors
from server.rollups import reclassify
from server.rollups.models import Reclassification
from tests.factories import row, stored_events, write

STRANGE = "550 5.7.1 <{0}@good.example>: no zxqv today (id 4F1Xyz0ABCz{0})"
QUERIES = 13
JSON, RECLASSIFICATIONS = "application/json", "/api/v1/email/reclassifications"


@pytest.fixture(autouse=True)
def nothing_assigned():
    yield
    assigned.replace({})


def bounce(reply=STRANGE, *, ago=timedelta(hours=1), number=1, **fields):
    facts = find_facts(
        direction="outbound",
        event_type="bounced",
        mx_host="mx1.good.example",
        to_domain="good.example",
        status_code=550,
        category=None,
        reply=reply.format(number),
    )
    return row(
        event_type="bounced",
        bounce_message=reply.format(number),
        occurred_at=timezone.now() - ago,
        **facts._asdict(),
        **fields,
    )


@pytest.fixture
def operator(db):
    roles.ensure_groups()
    user = User.objects.create_user("olga", password="x")
    roles.assign(user, Role.OPERATOR)
    return user


def test_replies_that_no_rule_knows_are_listed_by_text_most_frequent_first(admin_client):
    write(
        *(bounce(number=n) for n in range(3)), bounce("554 5.7.1 qwrtz"), bounce("550 User unknown")
    )

    page = admin_client.get(reverse("replies")).content.decode()

    assert "4 refusals without a class, in 2 texts." in page
    assert page.index("zxqv") < page.index("qwrtz")
    assert "User unknown" not in page


def test_the_page_takes_a_bounded_number_of_queries(admin_client, django_assert_max_num_queries):
    write(*(bounce(f"550 zxqv {'x' * n}") for n in range(1, 20)))

    with django_assert_max_num_queries(QUERIES):
        assert admin_client.get(reverse("replies")).status_code == 200


def test_what_a_remote_server_writes_is_text_on_the_page(admin_client):
    write(bounce("550 zxqv <script>alert(1)</script> \u202eevil"))

    page = admin_client.get(reverse("replies")).content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_an_operator_assigns_a_class_and_the_audit_log_has_it(client, operator):
    client.force_login(operator)
    form = reverse("admin:events_replyclass_add")
    example = STRANGE.format(7)
    assert "zxqv" in client.get(form, {"example": example}).content.decode()

    client.post(form, {"example": example, "bounce_class": "policy"})

    name = find_facts(
        direction="outbound", event_type="bounced", mx_host=None, to_domain=None,
        status_code=None, category=None, reply=STRANGE.format(99),
    ).reply_fingerprint  # fmt: skip
    assert ReplyClass.objects.get().fingerprint == name
    assert LogEntry.objects.get().user == operator


def test_who_only_views_may_not_assign(client, operator):
    roles.assign(operator, Role.VIEWER)
    client.force_login(operator)
    write(bounce())

    page = client.get(reverse("replies")).content.decode()

    assert "zxqv" in page
    assert reverse("admin:events_replyclass_add") not in page
    assert client.get(reverse("admin:events_replyclass_add")).status_code == 302


def test_an_assigned_class_goes_before_any_rule_once_it_is_read(db):
    ReplyClass.objects.create(example="550 5.1.1 User unknown", bounce_class="policy")

    reply_classes.refresh(after_s=0)

    assert find_meaning("recipient", "550-5.1.1 user unknown").bounce_class == "policy"
    assert find_meaning("recipient", "550 5.1.1 No such user").bounce_class == "recipient"


def test_stored_events_get_the_assigned_class_on_demand_and_only_once(committing_database):
    write(bounce(number=1), bounce(number=2), bounce("550 qwrtz"))
    ReplyClass.objects.create(example=STRANGE.format(5), bounce_class="policy")
    day = timezone.now().date() - timedelta(days=1)
    out = StringIO()

    call_command("reclassify", str(day), str(timezone.now().date()), stdout=out)

    assert sorted(e["bounce_class"] for e in stored_events()) == ["other", "policy", "policy"]
    assert sum(int(line.split()[1]) for line in out.getvalue().splitlines()) == 2
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    again = reclassify.reclassify(today - timedelta(days=1), today, now=timezone.now())
    assert [changed for _, changed in again] == [0, 0]


@pytest.fixture
def operator_client(client, committing_database, empty_redis):
    roles.ensure_groups()
    user = User.objects.create_user("olga", password="x")
    roles.assign(user, Role.OPERATOR)
    client.force_login(user)
    return client


def days_of(*, days_ago=1):
    today = timezone.now().date()
    return {"first_day": f"{today - timedelta(days=days_ago)}", "last_day": f"{today}"}


def test_an_operator_starts_it_on_the_page_and_sees_how_far_it_is(operator_client, monkeypatch):
    monkeypatch.setattr(actors, "MAX_RECLASSIFY_S", math.inf)  # however slow the machine is
    write(bounce(number=1), bounce(number=2), bounce("550 qwrtz"))
    ReplyClass.objects.create(example=STRANGE.format(5), bounce_class="policy")

    operator_client.post(reverse("replies-reclassify"), days_of())

    row = Reclassification.objects.get()
    assert (row.author, row.done_count, row.days_count, row.is_open) == ("olga", 0, 2, True)
    assert "0 of 2 days done" in operator_client.get(reverse("replies")).content.decode()
    assert LogEntry.objects.get().change_message.startswith("Requested the reclassification of")
    actors.reclassify_days.fn(row.pk)
    row.refresh_from_db()
    assert (row.done_count, row.changed_count, row.is_open, row.failure) == (2, 2, False, "")
    assert sorted(e["bounce_class"] for e in stored_events()) == ["other", "policy", "policy"]


def test_a_run_that_was_stopped_goes_on_with_the_day_it_was_at(operator_client, monkeypatch):
    first, last = (timezone.now().date() - timedelta(days=n) for n in (2, 0))
    row = reclassify.request(first, last, author="olga", now=timezone.now())
    done, original = [], reclassify.reclassify

    def stop_on_the_second(start, end, *, now):
        if len(done) == 1:
            done.append("stopped")
            raise OSError("the worker is killed")
        done.append(start.date())
        return original(start, end, now=now)

    monkeypatch.setattr(reclassify, "reclassify", stop_on_the_second)
    with pytest.raises(OSError, match="killed"):
        reclassify.proceed(row.pk, max_s=math.inf)
    assert reclassify.proceed(row.pk, max_s=0)
    assert not reclassify.proceed(row.pk, max_s=math.inf)

    assert done == [first, "stopped", first + timedelta(days=1), last]
    assert not Reclassification.objects.get().is_open


def test_one_runs_at_a_time_and_one_that_stalled_makes_room(operator_client):
    operator_client.post(reverse("replies-reclassify"), days_of())
    answer = operator_client.post(reverse("replies-reclassify"), days_of(days_ago=3))
    assert "One+is+running" in answer["Location"]

    stalled_at = timezone.now() - reclassify.STALLED_AFTER - timedelta(seconds=1)
    Reclassification.objects.update(progressed_at=stalled_at)
    operator_client.post(reverse("replies-reclassify"), days_of(days_ago=3))

    newest, oldest = Reclassification.objects.all()
    assert (newest.days_count, newest.is_open) == (4, True)
    assert oldest.failure == "It got no further, and another was requested."


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        ({"first_day": "2020-01-01", "last_day": "2020-01-02"}, "cannot be recounted"),
        ({"first_day": "2999-01-01", "last_day": "2999-01-02"}, "has not begun"),
        ({"first_day": "2026-01-02", "last_day": "2026-01-01"}, "after the last"),
        ({"first_day": "<b>", "last_day": ""}, "such as 2026-11-21"),
    ],
    ids=["gone", "ahead", "backwards", "no day"],
)
def test_days_that_make_no_sense_are_refused_with_the_reason(operator_client, days, problem):
    answer = operator_client.post(reverse("replies-reclassify"), days, follow=True)

    assert problem in answer.content.decode()
    assert not Reclassification.objects.exists()


def test_who_only_views_may_not_reclassify(operator_client):
    roles.assign(User.objects.get(), Role.VIEWER)

    assert operator_client.post(reverse("replies-reclassify"), days_of()).status_code == 403
    assert operator_client.post(RECLASSIFICATIONS, days_of(), JSON).status_code == 403
    assert (
        reverse("replies-reclassify")
        not in operator_client.get(reverse("replies")).content.decode()
    )
    assert operator_client.get(RECLASSIFICATIONS).json() == {"reclassifications": []}


def test_the_api_starts_it_and_lists_it(operator_client):
    answer = operator_client.post(RECLASSIFICATIONS, days_of(), JSON)

    assert answer.status_code == 202
    (listed,) = operator_client.get(RECLASSIFICATIONS).json()["reclassifications"]
    assert listed == answer.json()
    assert (listed["changed_count"], listed["ended_at"]) == (0, None)
    refused = operator_client.post(RECLASSIFICATIONS, days_of(), JSON)
    assert (refused.status_code, list(refused.json())) == (400, ["first_day"])


def test_days_whose_raw_events_are_gone_are_refused(db):
    with pytest.raises(CommandError, match="cannot be recounted"):
        call_command("reclassify", "2020-01-01", "2020-01-02")
    with pytest.raises(CommandError, match="FROM comes first"):
        call_command("reclassify", "2026-01-02", "2026-01-01")


def test_the_api_lists_them_with_what_was_assigned_since(admin_client):
    write(*(bounce(number=n) for n in range(3)), bounce("554 5.7.1 qwrtz"))
    ReplyClass.objects.create(example=STRANGE.format(5), bounce_class="policy")

    answer = admin_client.get("/api/v1/email/unclassified-replies", {"limit": 1}).json()

    assert (answer["count"], answer["texts_count"], answer["is_cut"]) == (4, 2, False)
    (reply,) = answer["replies"]
    assert (reply["count"], reply["assigned"], reply["providers"]) == (
        3,
        "policy",
        ["good.example"],
    )
    assert reply["pattern"] == "550 5.7.1 <address>: no zxqv today (id <id>)"


def test_the_file_for_zonemta_has_a_line_for_each_assigned_class(admin_client):
    ReplyClass.objects.create(example=STRANGE.format(5), bounce_class="policy")

    lines = admin_client.get(reverse("replies-bounces")).content.decode().splitlines()

    assert lines == [
        r"^550[\s-]+5\.7\.1.*:\s+no\s+zxqv\s+today\s+\(id.*\),reject,policy,Assigned: policy"
    ]
