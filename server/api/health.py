"""What /health/ready answers."""

from typing import Any

from rest_framework import serializers

from server.observability.health import ProbeResult


class CheckAnswer(serializers.Serializer[Any]):
    """What one part said. `needed`: without it nothing can be served."""

    name = serializers.CharField()
    ok = serializers.BooleanField()
    needed = serializers.BooleanField()
    text = serializers.CharField(help_text="What is there, or what is wrong, in words.")
    figures = serializers.DictField(help_text="Numbers to it, where there are any.")


class ReadyAnswer(serializers.Serializer[Any]):
    """`degraded`: served all the same, but something does not go on. Parts only for readers."""

    status = serializers.ChoiceField(choices=["ready", "degraded", "not ready"])
    checks = CheckAnswer(many=True, required=False)


def status(findings: list[ProbeResult]) -> str:
    """Return the status in a word. Pure."""
    wrong = [finding for finding in findings if not finding.ok]
    if any(finding.needed for finding in wrong):
        return "not ready"
    return "degraded" if wrong else "ready"


def answer(findings: list[ProbeResult], *, may_read: bool) -> dict[str, Any]:
    """Return the answer: what the parts said is not for strangers. Pure."""
    body: dict[str, Any] = {"status": status(findings)}
    if may_read:
        body["checks"] = [vars(finding) for finding in findings]
    return body
