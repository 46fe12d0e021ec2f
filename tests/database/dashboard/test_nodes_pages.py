"""The pages of nodes, as the server paints them."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone

from server.metrics import newest
from server.nodes.models import Node
from tests.page import Page

pytestmark = pytest.mark.django_db
QUERIES = 12
PROGRAMS = ("zonemta", "haraka", "rspamd", "mongodb", "redis", "wildduck", "agent")
HOSTILE = '</script><script>alert("x")</script>'


@pytest.fixture
def page(admin_client):
    def get(path="/nodes/", **query):
        response = admin_client.get(path, query)
        assert response.status_code == 200, response
        return Page(response.content.decode())

    return get


def test_a_stranger_is_sent_to_the_login(client):
    for path in ("/nodes/", "/nodes/named/mta-01/", "/nodes/compare/", "/nodes/heat-map/"):
        assert client.get(path)["location"].startswith("/login/")


def test_each_node_is_listed_with_status_readings_and_age(page, store_sample):
    store_sample("system")
    store_sample("system", node="mta-02", ago=timedelta(minutes=5))
    Node.objects.create(name="mta-03")

    text = page()

    assert text.names() == ["mta-02", "mta-03", "mta-01"]
    assert text.statuses() == [("offline", True), ("never", False), ("online", False)]
    assert "12.5 %" in text
    assert "↓ 15.0 KB/s ↑ 22.0 KB/s" in text
    assert "none yet" in text


def test_the_newest_sample_counts_and_one_from_the_future_does_not(page, store_sample):
    store_sample("system", ago=timedelta(minutes=1), cpu_percent=10.0)
    store_sample("system", ago=timedelta(seconds=1), cpu_percent=77.0)
    store_sample("system", ago=timedelta(days=-3), cpu_percent=99.0)

    text = page()

    assert "77.0 %" in text
    assert "99.0 %" not in text


def test_filters_and_order_stand_in_the_address(page, store_sample):
    store_sample("system", cpu_percent=10.0)
    store_sample("system", node="mta-02", cpu_percent=90.0)
    Node.objects.filter(name="mta-02").update(role="haraka-inbound", addresses=["10.0.0.22"])

    assert page(sort="-cpu").names() == ["mta-02", "mta-01"]
    assert page(role="haraka-inbound").names() == ["mta-02"]
    assert page(q="10.0.0.22").names() == ["mta-02"]
    assert page(status="offline").names() == []
    assert "No node matches." in page(status="offline")
    assert 'aria-sort="descending"><a href="?sort=cpu&range=7d"' in page(sort="-cpu", range="7d")


def test_with_no_node_it_says_what_to_do(page):
    text = page()

    assert "No node is known yet." in text
    assert "create_api_key --scope agent" in text


def test_many_nodes_come_a_hundred_at_a_time(page):
    Node.objects.bulk_create([Node(name=f"n-{i:03}") for i in range(150)])

    first, second = page(), page(page="2")

    assert len(first.names()) == 100
    assert len(second.names()) == 50
    assert 'href="?page=2">More' in first
    assert 'href="?">Before' in second


def test_a_node_shows_every_source_it_has_and_no_other(page, store_sample):
    for kind in ("system", *PROGRAMS):
        store_sample(kind)
    store_sample("system", node="mta-02")

    text, other = page("/nodes/named/mta-01/"), page("/nodes/named/mta-02/")

    for kind in ("system", *PROGRAMS):
        assert f'id="kind-{kind}"' in text
    assert 'id="kind-system"' in other
    assert 'id="kind-redis"' not in other
    assert "ZoneMTA</th>" in text
    assert "nothing answers at 127.0.0.1:8080" in text
    assert "1,200 of 1,200 captured" in text


def test_readings_that_stopped_are_marked_by_their_kind(page, store_sample):
    store_sample("system")
    store_sample("redis", ago=timedelta(hours=2))

    text = page("/nodes/named/mta-01/")

    assert re.search(
        r'id="kind-redis-title">Redis .{0,160}<span class="grey-note">stale', text.markup
    )


def test_the_forecast_of_the_disk_says_from_what_it_is_judged(page, store_sample):
    free = 100e9
    for hour in range(24):
        store_sample(
            "system", ago=timedelta(hours=23 - hour), disk_free_bytes=int(free - hour * 1e9)
        )

    text = page("/nodes/named/mta-01/")

    assert "full in about 3 days" in text
    assert re.search(
        r"free space fell by 2\d\.\d GB a day in 24 hourly means over 23 h", text.markup
    )


def test_free_space_is_averaged_by_the_hour(store_sample):
    store_sample("system", ago=timedelta(hours=2), disk_free_bytes=10)
    store_sample("system", ago=timedelta(hours=2), disk_free_bytes=10)
    node = Node.objects.get()
    now = timezone.now()

    assert [
        free for _, free in newest.disk_free_by_hour(node.pk, now - timedelta(days=1), now)
    ] == [10.0]
    assert newest.disk_free_by_hour(node.pk, now - timedelta(hours=1), now) == []


def file_system(point, *, used_percent=40.0, free_bytes=10**9, inodes_used_percent=5.0):
    return {
        "mount_point": point, "type": "xfs", "total_bytes": 10**12, "free_bytes": free_bytes,
        "used_percent": used_percent, "inodes_free_count": 1000,
        "inodes_used_percent": inodes_used_percent,
    }  # fmt: skip


def test_all_file_systems_are_listed_the_fullest_first(page, store_sample):
    store_sample(
        "system",
        file_systems=[
            file_system("/", used_percent=55.1),
            file_system("/var/lib/mongodb", used_percent=91.5),
            file_system("/var/spool", used_percent=10.0, inodes_used_percent=98.0),
        ],
    )

    text = page("/nodes/named/mta-01/")

    listed = text.markup.partition('id="node-file-systems"')[2].partition("</section>")[0]
    assert re.findall(r'data-level="(\w+)"><th scope="row">([^<]+)', listed) == [
        ("critical", "/var/spool"),
        ("warning", "/var/lib/mongodb"),
        ("ok", "/"),
    ]
    # The head of the page names the one that is the nearest to full.
    assert "98.0 %" in text
    assert "1,000 inodes free at /var/spool" in text


def test_a_sample_of_an_older_agent_lists_no_file_systems(page, store_sample):
    store_sample("system", file_systems=None)

    assert "node-file-systems" not in page("/nodes/named/mta-01/").markup


def test_the_forecast_is_of_the_fullest_file_system(page, store_sample):
    for hour in range(24):
        free = 100 * 10**9 - hour * 10**9
        full = file_system("/var/lib/mongodb", used_percent=91.5, free_bytes=free)
        store_sample(
            "system",
            ago=timedelta(hours=23 - hour),
            file_systems=[file_system("/", used_percent=55.1), full],
        )

    text = page("/nodes/named/mta-01/")

    assert "full in about 3 days" in text
    assert re.search(
        r"/var/lib/mongodb: free space fell by 2\d\.\d GB a day in 24 hourly means", text.markup
    )


def test_missing_numbers_of_the_ledger_are_named(page, store_sample):
    store_sample("system")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_epoch (node, epoch, first_seq, received, dropped, repeated_count,"
            " refused_count, first_received_at, last_received_at)"
            " VALUES ('mta-01', 'e1', 1, '{[1,101),[111,201)}', '{[201,211)}', 2, 1, now(), now())"
        )

    text = page("/nodes/named/mta-01/")

    assert "10 events are missing without explanation; 10 dropped by the agent and reported" in text
    assert "101–110" in text  # noqa: RUF001


def test_a_node_that_never_sent_anything_says_so_everywhere(page):
    Node.objects.create(name="mta-03")

    text = page("/nodes/named/mta-03/")

    assert "never seen" in text
    assert "no sample ever came" in text
    assert "no reading of the disk in this time" in text
    assert "No reading of the programs came" in text
    assert "The agent has not reported on itself" in text


def test_maintenance_is_reported_with_what_colleagues_wrote_and_the_retired_are_left_out(
    page, store_sample
):
    store_sample("system", ago=timedelta(minutes=9))
    Node.objects.update(in_maintenance=True, notes="new disk\n<b>until</b> Monday")
    Node.objects.create(name="mta-00", retired_at=timezone.now())

    listed, text = page(), page("/nodes/named/mta-01/")

    assert listed.names() == ["mta-01"]
    assert 'data-status="maintenance"' in listed
    assert "its silence is expected" in text
    assert "new disk<br><b>until</b> Monday" in text  # unescaped by this test alone
    assert "<strong>Retired</strong>" in page("/nodes/named/mta-00/")


def test_nodes_are_compared_and_what_does_not_exist_is_reported(page, store_sample):
    store_sample("system")
    store_sample("system", node="mta-02")

    text = page("/nodes/compare/?node=mta-01&node=mta-02&node=nobody")

    assert ">2 nodes <" in text
    assert "There is no node <code>nobody</code>." in text
    assert 'id="cpu_percent"' in text
    assert "Choose 2 to 5 nodes" in page("/nodes/compare/")
    assert 'id="cpu_percent"' not in page("/nodes/compare/?node=mta-01")


def test_the_heat_map_offers_its_readings(page):
    assert '<option value="load_1m" selected>' in page("/nodes/heat-map/", reading="load_1m")
    assert '<option value="cpu_percent" selected>' in page("/nodes/heat-map/", reading="shoe_size")


def test_a_hostile_name_stays_text_and_has_its_page(admin_client, page, store_sample):
    store_sample("system", node=HOSTILE)
    Node.objects.filter(name=HOSTILE).update(role="<b>role</b>", hostname="<i>host</i>")

    for path in (
        "/nodes/",
        f"/nodes/named/{quote(HOSTILE, safe='')}/",
        f"/nodes/compare/?node={quote(HOSTILE)}",
    ):
        text = admin_client.get(path).content.decode()
        assert "alert(" in text
        assert "<script>alert" not in text
        assert "<b>role" not in text


def test_a_name_like_a_page_or_with_a_slash_has_its_page(page):
    for name in ("compare", "rack/7"):
        Node.objects.create(name=name)
        assert f"<h1>{name}</h1>" in page(f"/nodes/named/{name}/")


def test_an_unknown_node_is_404(admin_client):
    assert admin_client.get("/nodes/named/nobody/").status_code == 404


def test_the_pages_ask_few_questions(admin_client, store_sample, django_assert_max_num_queries):
    for kind in ("system", *PROGRAMS):
        store_sample(kind)
    store_sample("system", node="mta-02")

    for path in (
        "/nodes/",
        "/nodes/named/mta-01/",
        "/nodes/compare/?node=mta-01&node=mta-02",
        "/nodes/heat-map/",
    ):
        with django_assert_max_num_queries(QUERIES):
            admin_client.get(path)
