"""The page of replies without a class, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.system.browser.site import WITHIN_MS, Site, find_serious, wait_for_text

pytestmark = pytest.mark.browser
expect.set_options(timeout=WITHIN_MS)
HOSTILE = '<img src=x onerror="document.title=1"> \u202ezxqv'


def test_an_operator_goes_from_a_strange_reply_to_the_form_of_its_class(
    site: Site, open_page, console
):
    for number in range(3):
        site.mail(
            "bounced",
            to_address=f"a{number}@strange.example",
            mx_host="mx1.strange.example",
            bounce_message=f"550 5.7.1 {HOSTILE} (id 4F1Xyz0ABCz{number})",
        )
    page = open_page(site, "/email/replies/?range=1h")

    wait_for_text(page, "#replies-title", "3 refusals without a class, in 1 text.")
    rows = page.locator(".unclassified tbody tr")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text('<img src=x onerror="document.title=1">')
    expect(rows.first).to_contain_text("strange.example")
    assert find_serious(page) == []

    rows.first.get_by_role("link", name="assign").click()
    # The control that turns the direction of a text is gone.
    example = f"550 5.7.1 {HOSTILE} (id 4F1Xyz0ABCz2)".replace("\u202e", "")
    expect(page.locator("#id_example")).to_have_value(example)
    assert console == []
