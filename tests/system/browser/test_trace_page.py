"""The story of a message, in a real browser."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.system.browser.site import Site, find_serious, refresh_until

pytestmark = pytest.mark.browser
HARAKA = "5C6E9D2C-6D1F-4B6A-9C43-0A1B2C3D4E5F.1"
STORED, FORWARD = "65a1b2c3d4e5f60718293a4b", "1a1fd92f960000a952"
OTHERS = "a-rather-long-domain-of-others.example"
HOSTILE = '451 4.7.1 <img src=x onerror="document.title=1"> come back'


def forward_mail(site: Site) -> None:
    ids = {"message_id": "<1@there.example>", "from_address": "eve@there.example"}
    inbound = {"queue_id": HARAKA, "to_address": "user@here.example", "source": "haraka_plugin",
               "client_ip": "203.0.113.9", "tls": "TLSv1.3", **ids}  # fmt: skip
    forward = {"queue_id": FORWARD, "parent_id": STORED, "origin": "forward",
               "to_address": f"a.person.with.a.long.name@{OTHERS}", **ids}  # fmt: skip
    ago = timedelta(minutes=4)
    site.mail("received", direction="inbound", ago=ago, **inbound)
    checks = {"spam_action": "no action", "spam_score": -0.7, "spf_result": "pass"}
    ago -= timedelta(seconds=1)
    site.mail("delivered", direction="inbound", ago=ago, **inbound | checks)
    stored = {"source": "gelf", "wildduck_id": STORED, "mailbox": "INBOX", "account": "u1"}
    site.mail("stored", direction="mailbox", ago=ago, **inbound | stored)
    site.mail("sent", ago=ago - timedelta(seconds=1), **forward)
    site.mail("deferred", ago=timedelta(minutes=3), attempt=1, status_message=HOSTILE,
              mx_host=f"mx.{OTHERS}", **forward)  # fmt: skip


def test_support_finds_a_message_by_its_id_on_a_phone(site: Site, open_page, console):
    forward_mail(site)
    page = open_page(site, "/trace/")
    page.set_viewport_size({"width": 390, "height": 844})
    page.keyboard.press("/")
    page.keyboard.type("1@there.example")
    page.keyboard.press("Enter")
    steps = page.locator(".trace-steps > li:not(.trace-ending)")
    refresh_until(page, lambda: steps.count() == 5)

    expect(page.locator("#trace-title")).to_contain_text("Stored in INBOX")
    branch = page.locator(".trace-branches .trace-message")
    expect(branch.locator(".trace-ending")).to_contain_text("Waits for the next attempt")
    expect(branch.locator(".words-cut")).to_contain_text(HOSTILE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert find_serious(page) == []
    page.get_by_text("As text, to paste into a ticket").click()
    expect(page.locator("[data-part=trace-text]")).to_contain_text("Handed to WildDuck")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#toasts")).to_contain_text("Link copied")
    steps.last.locator(".trace-time").click()
    page.get_by_role("link", name="trace of the message").click()
    page.wait_for_url(f"**/trace/?id={FORWARD}")
    assert console == []
