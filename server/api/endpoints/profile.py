"""/email/profile: one provider, destination, sending IP, sending domain or account."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from server.api.answers import (
    BucketAnswer,
    DeliveryTimesAnswer,
    SpanAnswer,
    build_buckets,
    build_span,
    build_times,
)
from server.api.query_params import BucketsQuery
from server.api.views import query_view
from server.profiles.kinds import KINDS, MAX_NAME_CHARS, clean_name
from server.profiles.outcomes import Outcomes
from server.profiles.profile import read_profile
from server.profiles.refusals import PARTS, Part, Refusals
from server.profiles.waiting import Waiting
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import Buckets


class ProfileQuery(BucketsQuery):
    """Query of /email/profile."""

    of = serializers.ChoiceField(
        choices=list(KINDS), help_text="`ip`: a sending IP; `domain`: of senders."
    )
    name = serializers.CharField(
        max_length=MAX_NAME_CHARS, help_text="Domains in either spelling and any case."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        attrs["kind"] = KINDS[attrs.pop("of")]
        name = clean_name(attrs["kind"], attrs["name"])
        if name is None:
            raise serializers.ValidationError({"name": "No such name is possible."})
        return attrs | {"name": name}


class OutcomesAnswer(serializers.Serializer[Any]):
    """Events of attempts by type, and the times of the deliveries among them."""

    events = serializers.DictField(child=serializers.IntegerField())
    inferred = serializers.IntegerField()
    attempts = serializers.IntegerField(help_text="delivered, deferred and bounced")
    delivery_ms = DeliveryTimesAnswer()


class WorseAnswer(serializers.Serializer[Any]):
    """Since when a larger share than usual is refused; of the last 24 hours, whatever the range."""

    since = serializers.DateTimeField()
    is_day = serializers.BooleanField(help_text="Only the UTC day is known.")
    last_at = serializers.DateTimeField(help_text="The newest quarter of an hour with attempts.")
    attempts = serializers.IntegerField(help_text="Of the last 24 hours since then.")
    refused = serializers.IntegerField(help_text="Deferred and bounced, of these.")
    usual_ratio = serializers.FloatField(help_text="The median day's, of the 29 days before.")


class RefusedAnswer(serializers.Serializer[Any]):
    """Refusals of one value. `reply`, `bounce_class`: of a fingerprint, one reply as it came."""

    value = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    reply = serializers.CharField(allow_blank=True)
    bounce_class = serializers.CharField(allow_blank=True)


class PartAnswer(serializers.Serializer[Any]):
    """The values with most refusals, at most 20 of them."""

    values_count = serializers.IntegerField(help_text="How many there are.")
    values = RefusedAnswer(many=True)


class RefusalsAnswer(serializers.Serializer[Any]):
    """The newest refusals of the range (deferred, bounced, rejected), by what they have."""

    of_count = serializers.IntegerField(help_text="So many were read, 5 000 at most.")
    cut = serializers.BooleanField(help_text="There are older ones in the range.")
    first_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)
    classes = PartAnswer()
    replies = PartAnswer(help_text="Values are fingerprints.")
    providers = PartAnswer()
    destinations = PartAnswer()
    ips = PartAnswer()
    domains = PartAnswer()
    accounts = PartAnswer()
    nodes = PartAnswer()
    mx_hosts = PartAnswer()


class PairAnswer(serializers.Serializer[Any]):
    """Outcomes with one sending IP, or at one provider."""

    value = serializers.CharField()
    events = serializers.DictField(child=serializers.IntegerField())


class WaitingDomainAnswer(serializers.Serializer[Any]):
    """Recipients that wait for one domain."""

    domain = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    old_count = serializers.IntegerField(help_text="For more than an hour.")


class WaitingAnswer(serializers.Serializer[Any]):
    """What waits for a destination, or for the domains that a provider refused in the range."""

    count = serializers.IntegerField()
    domains_count = serializers.IntegerField()
    read_at = serializers.DateTimeField()
    stale = serializers.BooleanField()
    complete = serializers.BooleanField(help_text="The readings named every destination.")
    domains = WaitingDomainAnswer(many=True)


class DayAnswer(serializers.Serializer[Any]):
    """One UTC day."""

    start = serializers.DateTimeField()
    events = serializers.DictField(child=serializers.IntegerField())


class ProfileAnswer(SpanAnswer):
    """What is known of one name. `before`: the same time a day earlier, or as many whole days as
    the range has; null where it is not kept any more."""

    of = serializers.CharField()
    name = serializers.CharField()
    direction = serializers.CharField()
    outcomes = OutcomesAnswer()
    before = OutcomesAnswer(allow_null=True)
    worse = WorseAnswer(allow_null=True)
    buckets = BucketAnswer(many=True)
    trend = DayAnswer(many=True, help_text="The last 30 UTC days.")
    by_ip = PairAnswer(many=True, help_text="Of a provider alone.")
    by_provider = PairAnswer(many=True, help_text="Of a sending IP alone.")
    refusals = RefusalsAnswer()
    waiting = WaitingAnswer(allow_null=True, help_text="Null: not known, or not of this kind.")


def build_profile(*, buckets: Buckets, now: datetime, kind: Any, name: str) -> dict[str, Any]:
    profile = read_profile(kind, name, buckets.start, buckets.end, now=now)
    query = LevelQuery.of(buckets, "outbound", kind.dimension)
    pairs = [
        {"value": value, "events": dict(outcomes.events)}
        for value, outcomes in sorted(profile.pairs.items(), key=lambda item: -item[1].attempts)
    ]
    return {
        **build_span(buckets),
        "of": kind.key,
        "name": name,
        "direction": "outbound",
        "outcomes": _build_outcomes(profile.outcomes),
        "before": profile.before and _build_outcomes(profile.before),
        "worse": profile.worse and vars(profile.worse),
        "buckets": build_buckets(queries.counts(query, values=profile.names), buckets, now),
        "trend": [
            {"start": day.start, "events": dict(day.outcomes.events)} for day in profile.trend
        ],
        "by_ip": pairs if kind.key == "provider" else [],
        "by_provider": pairs if kind.key == "ip" else [],
        "refusals": _build_refusals(profile.refusals),
        "waiting": profile.waiting and _build_waiting(profile.waiting),
    }


def _build_outcomes(outcomes: Outcomes) -> dict[str, Any]:
    return {
        "events": dict(outcomes.events),
        "inferred": outcomes.inferred,
        "attempts": outcomes.attempts,
        "delivery_ms": build_times(outcomes.times),
    }


def _build_refusals(refusals: Refusals) -> dict[str, Any]:
    parts = {name: _build_part(refusals[name]) for name in PARTS}
    return {
        "of_count": refusals.count,
        "cut": refusals.is_cut,
        "first_at": refusals.first_at,
        "last_at": refusals.last_at,
        **parts,
    }


def _build_part(part: Part) -> dict[str, Any]:
    return {
        "values_count": part.values_count,
        "values": [vars(each) for each in part.values],
    }


def _build_waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        "count": waiting.count,
        "domains_count": waiting.domains_count,
        "read_at": waiting.read_at,
        "stale": waiting.is_stale,
        "complete": waiting.is_complete,
        "domains": [vars(each) for each in waiting.domains],
    }


ProfileView = query_view(
    build_profile,
    ProfileQuery,
    ProfileAnswer,
    summary="One provider, destination, sending IP, sending domain or account",
    is_cached=True,
    has_addresses=True,
)
