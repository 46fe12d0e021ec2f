"""Parameters of a search, and the meanings of one typed text."""

import pytest

from server.dashboard.pages.events.search import SearchForm, interpret_text, is_by_id


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        (" Bob@Good.example ", ("to_address", "Bob@Good.example")),
        ("Outlook.example", ("to_domain", "outlook.example")),
        ("BÜCHER.example", ("to_domain", "bücher.example")),
        ("xn--bcher-kva.example", ("to_domain", "xn--bcher-kva.example")),
        ("日本語。example", ("to_domain", "日本語。example")),
        ("<CAF=x@mail.example>", ("message_id", "<CAF=x@mail.example>")),
        ("1a1fd92f960000a951", ("queue_id", "1a1fd92f960000a951")),
        ("1A1FD92F960000A951.001", ("queue_id", "1a1fd92f960000a951")),
        (
            "5C6E9D2C-6D1F-4B6A-9C43-0A1B2C3D4E5F.1",
            ("queue_id", "5C6E9D2C-6D1F-4B6A-9C43-0A1B2C3D4E5F.1"),
        ),
        (
            "5c6e9d2c-6d1f-4b6a-9c43-0a1b2c3d4e5f",
            ("event", "5c6e9d2c-6d1f-4b6a-9c43-0a1b2c3d4e5f"),
        ),
        ("192.0.2.10", ("sending_ip", "192.0.2.10")),
        ("2001:db8::11", ("sending_ip", "2001:db8::11")),
        ("451", ("status_code", "451")),
        ("4xx", ("status_code", "4xx")),
        ("*.good.example", ("to_domain", "*.good.example")),
        ("mta-01", ("mta_node", "mta-01")),
        ("mta.example", ("mta_node", "mta.example")),
        ("greylist", None),
        ("999", None),
        ("' OR 1=1 --", None),
    ],
)
def test_a_typed_text_is_understood_or_not_at_all(typed, means):
    assert interpret_text(typed, nodes=frozenset({"mta-01", "mta.example"})) == means


def test_empty_fields_are_no_filters_and_domains_are_lower_case():
    form = SearchForm({"type": "deferred", "to_domain": "Good.Example", "mta_node": "", "x": "y"})

    assert form.is_valid()
    assert form.filters() == {"event_type": "deferred", "to_domain": "good.example"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "explosion"),
        ("direction", "sideways"),
        ("status_code", "99"),
        ("status_code", "4x"),
        ("sending_ip", "300.1.1.1"),
        ("to_domain", "a\0b"),
        ("to_address", "x" * 256),
        ("bounce_type", "medium"),
        ("certainty", "sure"),
    ],
)
def test_a_wrong_value_is_named_by_its_field(field, value):
    form = SearchForm({field: value})

    assert not form.is_valid()
    assert list(form.errors) == [field]


def test_only_ids_need_no_range():
    assert is_by_id({"queue_id": "1a1fd92f960000a951"})
    assert not is_by_id({"to_domain": "good.example"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "bounced,deferred"),
        ("mta_node", "mta-01, mta-02"),
        ("to_domain", "*.example.com"),
        ("from_domain", "*.example.com"),
        ("status_code", "4xx"),
        ("status_code", "450-459"),
        ("reply", "mailbox full"),
    ],
)
def test_a_value_may_stand_for_several(field, value):
    form = SearchForm({field: value})

    assert form.is_valid()
    assert list(form.filters().values()) == [value]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "bounced,exploded"),
        ("mta_node", ",".join(f"mta-{n}" for n in range(30))),
        ("to_domain", "*."),
        ("to_domain", "*.*.example"),
        ("status_code", "459-450"),
        ("status_code", "6xx"),
        ("status_code", "199"),
        ("reply", "a"),
        ("reply", "one two three four five six words"),
    ],
)
def test_what_stands_for_nothing_is_named_by_its_field(field, value):
    form = SearchForm({field: value})

    assert not form.is_valid()
    assert list(form.errors) == [field]
