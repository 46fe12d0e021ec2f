"""The life of an incident: a node falls silent, somebody is woken, takes it on; and the log."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.fakes.receiver import run_receiver
from tests.system.browser.site import NODE, USER, find_serious, hide
from tests.waiting import until

#: A round comes every 15 seconds, and takes what was silent before it.
NOTIFIED_WITHIN_S = 90.0
#: Browsers show notifications outside of pages: this notes those of all tabs.
NOTE_NOTIFICATIONS = """window.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    localStorage.noted = `${localStorage.noted ?? ""}${options.body}\n`;
  }
};"""
MAKE_CHANNEL = """from server.alerts.models import Channel, NotificationRoute
from server.alerts.notifications.store import save_channel
save_channel(Channel(name="ops", kind="webhook"), {{"url": "{url}", "secret": "k"}})
NotificationRoute.objects.create(name="all", steps=[{{"after_min": 0, "channels": ["ops"]}}])"""


@pytest.fixture
def receiver(site):
    with run_receiver() as one:
        site.site.manage("shell", "--no-imports", "-c", MAKE_CHANNEL.format(url=one.url))
        yield one
    site.execute("TRUNCATE alerts_incident, alerts_alert, notification_channels CASCADE")
    site.execute("TRUNCATE notification_routes")


def list_notified(page):
    return page.evaluate("localStorage.noted ?? ''").splitlines()


@pytest.mark.stack
def test_a_silent_node_wakes_somebody_who_acknowledges_it_by_a_key(
    site, receiver, open_page, console
):
    page = open_page(site, "/")
    page.context.grant_permissions(["notifications"], origin=site.server.url)
    page.context.add_init_script(NOTE_NOTIFICATIONS)
    other = page.context.new_page()
    page.goto(f"{site.server.url}/alerts/incidents/")
    page.locator('[data-menu="user"] summary').click()
    notify = page.get_by_role("button", name="Notify me in this browser")
    notify.click()
    expect(notify).to_have_attribute("aria-pressed", "true")
    other.goto(site.server.url)
    hide(other, hidden=True)  # it stays connected, for notifications
    silent = "now() - interval '10 minutes'"
    site.execute(f"UPDATE nodes_node SET last_seen_at = {silent}, received_at = {silent}")
    until(lambda: site.count("alerts_evaluation"), within_s=NOTIFIED_WITHIN_S)
    site.execute(f"UPDATE alerts_evaluation SET resumed_at = {silent}")

    until(lambda: receiver.received, within_s=NOTIFIED_WITHIN_S, what="a notification")

    body = json.loads(receiver.received[0].body)
    assert (body["kind"], body["severity"], body["node"]) == ("firing", "critical", NODE)
    bell = page.get_by_role("link", name="Incidents: 1 critical waits for somebody")
    expect(bell).to_be_visible()
    expect(page).to_have_title("(1) Incidents · Mallard")
    icon = page.locator('link[rel="icon"]')
    expect(icon).to_have_attribute("href", re.compile("state-critical"))
    until(lambda: list_notified(page), within_s=NOTIFIED_WITHIN_S)
    expect(other.locator('link[rel="icon"]')).to_have_attribute("href", re.compile("state-crit"))
    hide(other, hidden=False)
    bell.click()
    page.get_by_role("link", name=body["text"]).first.click()
    expect(page).to_have_url(f"{site.server.url}/alerts/incidents/{body['incident']}/")
    expect(page.locator("#incident-timeline")).to_contain_text("ops")
    expect(page.locator("#evidence")).to_have_attribute("data-loaded", "")
    silence = page.get_by_role("link", name="Silence…")
    expect(silence).to_have_attribute(
        "href", re.compile(rf"/alerts/silences/\?(.*&)?node={NODE}\b")
    )
    page.get_by_role("button", name="as table").click()
    expect(page.locator("#evidence")).to_contain_text("Silence of")
    assert find_serious(page) == []
    page.keyboard.press("a")
    expect(page.locator("#incident-now")).to_contain_text(f"acknowledged by {USER}")
    expect(page.get_by_role("link", name="Incidents: 1 handled")).to_be_visible()
    expect(icon).to_have_attribute("href", re.compile("state-warning"))
    expect(other.locator('[data-part="verdict"]')).to_contain_text(f"(acknowledged by {USER})")
    assert list_notified(page) == [body["text"]]  # by one of two tabs

    page.goto(f"{site.server.url}/alerts/channels/")
    page.get_by_role("button", name="Send a test by ops").click()
    expect(page).to_have_url(f"{site.server.url}/alerts/deliveries/?channel=ops")
    until(lambda: b'"kind":"test"' in b"".join(each.body for each in receiver.received))
    until(lambda: site.count("delivery_attempts") >= len(receiver.received))
    page.reload()
    test = page.locator("#deliveries tbody tr").first
    expect(test).to_contain_text("a test of the channel")
    expect(test).to_contain_text("HTTP 200: arrived")
    assert console == []


@pytest.fixture
def own_rules(site):
    yield
    site.execute("TRUNCATE alerts_ruledefinition, alerts_rulechange")


@pytest.mark.usefixtures("own_rules")
def test_a_form_shows_what_a_rule_or_silence_would_do_before_it_is_saved(site, open_page, console):
    page = open_page(site, "/alerts/rules/named/cpu_high/")
    page.fill("#rule-threshold", "5 min")
    expect(page.locator("#rule-preview")).to_contain_text("the unit of '5 min' does not fit")
    page.fill("#rule-threshold", "99 %")
    expect(page.locator("#rule-preview")).not_to_contain_text("does not fit")
    assert find_serious(page) == []
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#rule-changes")).to_contain_text("threshold: 85 % → 99 %")
    page.goto(f"{site.server.url}/alerts/silences/")
    expect(page.locator("#silence-hides")).to_contain_text("matches everything")
    page.fill("#silence-node", "no-such-node")
    expect(page.locator("#silence-hides")).to_contain_text("This would hide no alert")
    assert find_serious(page) == []
    assert console == []
