"""Blocks in the sentence, on the overview, on the pages of what they are of, and in the API."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from server.alerts.blocks.models import Block
from server.alerts.present.problems import read_facts
from server.live.messages import read_totals

pytestmark = pytest.mark.django_db
IP, PROVIDER = "192.0.2.7", "Microsoft consumer"
REPLY = "550 5.7.606 Access denied, banned sending IP [192.0.2.7]"
HOSTILE = "<script>alert(1)</script>\u202egnp"


def make_block(**fields):
    now = timezone.now()
    evidence = {
        "event_id": str(uuid4()), "occurred_at": (now - timedelta(hours=3)).isoformat(),
        "sender": "news@corp.example", "domain": "corp.example", "ip": IP, "reply": REPLY,
        "fingerprint": "00000000000000aa",
    }  # fmt: skip
    replies = {"fingerprint": "00000000000000aa", "bounce_class": "reputation"}
    return Block.objects.create(
        **{
            "kind": "ip", "provider": PROVIDER, "subject": IP,
            "started_at": now - timedelta(hours=3), "found_at": now - timedelta(hours=2),
            "permanent_at": now - timedelta(hours=3), "refused_at": now, "refused_count": 100,
            "taken_count": 1, "bounce_class": "reputation", "reply": REPLY,
            "reply_fingerprint": "00000000000000aa",
            "senders": [["news@corp.example", 91], ["@other.example", 9]],
            "domains": [["corp.example", 91], ["other.example", 9]], "ips": [[IP, 100]],
            "replies": [{**replies, "permanent": True, "count": 100}], "evidence": [evidence],
        }
        | fields
    )  # fmt: skip


def test_the_sentence_names_whom_a_provider_blocks_since_when_and_whose_mail_it_is():
    make_block()
    now = timezone.now()

    text = read_totals(read_facts(now)).sentence.text(now)

    since = f"{now - timedelta(hours=3):%H:%M}"
    assert f"Microsoft consumer blocks 192.0.2.7 since {since} (550 5.7.606 Access denied" in text
    assert "91.0 % of the refused mail is of news@corp.example" in text


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/", {}),
        ("/email/by/provider/named/", {"name": PROVIDER}),
        ("/email/by/ip/named/", {"name": IP}),
    ],
)
def test_a_block_is_listed_with_a_link_on_the_overview_and_on_the_pages_of_what_it_is_of(
    admin_client, path, query
):
    block = make_block()

    page = admin_client.get(path, query).content.decode()

    assert f'href="/email/blocks/{block.pk}/"' in page
    assert "Microsoft consumer blocks 192.0.2.7" in page


def test_a_block_that_is_over_is_history_of_its_ip_and_gone_from_the_overview(admin_client):
    ended = timezone.now() - timedelta(minutes=90)
    block = make_block(ended_at=ended, end_reason="taken")

    of_ip = admin_client.get("/email/by/ip/named/", {"name": IP}).content.decode()

    assert f'href="/email/blocks/{block.pk}/"' in of_ip
    assert f'datetime="{ended.isoformat()}"' in of_ip
    assert "/email/blocks/" not in admin_client.get("/").content.decode()


def test_the_page_of_a_block_holds_its_evidence_and_the_providers_page(admin_client):
    block = make_block()

    page = admin_client.get(f"/email/blocks/{block.pk}/").content.decode()

    assert f"/events/{block.evidence[0]['event_id']}/" in page
    assert "https://sendersupport.olc.protection.outlook.com/pm/" in page
    assert "/email/by/account/named/?name=news%40corp.example" in page
    assert "/email/by/domain/named/?name=other.example" in page
    assert "91.0 %" in page
    assert admin_client.get("/email/blocks/999999/").status_code == 404


def test_the_links_of_a_block_lead_to_events_that_can_be_searched(admin_client):
    for fields in (
        {},
        {"kind": "sender", "subject": "news@corp.example"},
        {"kind": "sender", "subject": "@corp.example"},
        {"kind": "domain", "subject": "corp.example"},
        {"kind": "provider", "subject": "", "bounce_class": "network"},
    ):
        page = admin_client.get(f"/email/blocks/{make_block(**fields).pk}/").content.decode()
        href = page.split('class="tool-text" href="')[1].split('"')[0].replace("&amp;", "&")
        assert admin_client.get(href).status_code == 200, href


def test_hostile_names_and_replies_stay_text(admin_client):
    block = make_block(subject=HOSTILE, reply=HOSTILE, senders=[[HOSTILE, 60], ["b", 40]])
    now = timezone.now()

    for path in ("/", f"/email/blocks/{block.pk}/"):
        assert "<script>alert(1)" not in admin_client.get(path).content.decode()
    text = read_totals(read_facts(now)).sentence.text(now)
    assert "\u202e" not in text


def test_the_api_answers_blocks_of_a_time_with_those_that_last_first(admin_client):
    over = timezone.now() - timedelta(hours=1)
    make_block(ended_at=over, end_reason="taken", started_at=timezone.now() - timedelta(hours=2))
    make_block()
    make_block(provider="Yahoo", ended_at=over - timedelta(days=3), end_reason="taken")

    answer = admin_client.get("/api/v1/email/blocks", {"range": "24h"}).json()

    assert [block["ended_at"] is None for block in answer["blocks"]] == [True, False]
    first = answer["blocks"][0]
    assert first["text"] == "Microsoft consumer blocks 192.0.2.7"
    assert first["senders"][0] == {"name": "news@corp.example", "count": 91}
    assert first["remedy_url"] == "https://sendersupport.olc.protection.outlook.com/pm/"
    of_others = admin_client.get("/api/v1/email/blocks", {"range": "24h", "kind": "domain"})
    assert of_others.json()["blocks"] == []
