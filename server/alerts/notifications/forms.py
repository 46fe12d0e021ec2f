"""Forms of channels and routes, for the admin and the pages."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError

from server.accounts import audit
from server.alerts.models import Severity
from server.alerts.notifications import smtp, store
from server.alerts.notifications.channels import KINDS
from server.alerts.notifications.channels.kind import BadField, Field
from server.alerts.notifications.models import Channel, NotificationRoute
from server.alerts.rules import active_rules

#: Fields of a kind are named so in the form, apart from those of the channel.
PREFIX = "value_"
MAX_STEPS, MAX_MINUTES = 10, 7 * 24 * 60
STEPS_HELP = (
    'At once, and later while a critical alert is not acknowledged: [{"after_min": 0, "channels":'
    ' ["chat"]}, {"after_min": 15, "channels": ["phone"]}].'
)


class ChannelForm(forms.ModelForm[Channel]):
    """A channel with the fields of its kind. Secrets are entered and never shown."""

    class Meta:
        model = Channel
        fields = ["name", "is_enabled", "digest_over"]
        labels = {"is_enabled": "Switched on", "digest_over": "Digest over"}
        help_texts = {"digest_over": "More than so many within a minute come as one message."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = store.list_secrets(self.instance)
        for each in KINDS[self.instance.kind].fields:
            self.fields[PREFIX + each.name] = _make_field(each, self.instance, known)

    def clean(self) -> dict[str, Any]:
        """Check the fields by their kind, and keep what is to be stored."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        fields = KINDS[self.instance.kind].fields
        given = {each.name: values.get(PREFIX + each.name) or "" for each in fields}
        try:
            store.put_values(self.instance, given)
        except BadField as error:
            name, _, text = str(error).partition(": ")
            self.add_error(PREFIX + name if PREFIX + name in self.fields else None, text)
        return values


def make_channel_form(kind: str) -> type[ChannelForm]:
    """Return the form of new channels of a kind; the admin makes the channel itself."""

    class FormOfKind(ChannelForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["instance"] = kwargs.get("instance") or Channel(kind=kind)
            super().__init__(*args, **kwargs)

        # The admin lists the fields of a form from its class.
        declared_fields = {
            PREFIX + each.name: forms.CharField(required=False) for each in KINDS[kind].fields
        }
        base_fields = {**ChannelForm.base_fields, **declared_fields}

    return FormOfKind


def describe_changes(form: forms.ModelForm[Channel]) -> str:
    """Return what the audit log says of a changed channel: of secrets that they changed."""
    secrets = [PREFIX + name for name in KINDS[form.instance.kind].secrets]
    return audit.describe_changes(form, secrets)


def find_warning(channel: Channel) -> str:
    """Return what is wrong with a mail channel whose relay is watched; empty where nothing is."""
    if channel.kind != "mail":
        return ""
    nodes = smtp.find_watched(channel.values.get("host", ""))
    if not nodes:
        return ""
    return smtp.describe_watched(nodes)


class RouteForm(forms.ModelForm[NotificationRoute]):
    """A route, with its steps as JSON."""

    rules = forms.MultipleChoiceField(required=False, help_text="None: all.")
    severities = forms.MultipleChoiceField(
        choices=Severity.choices, required=False, help_text="None: all."
    )

    class Meta:
        model = NotificationRoute
        fields = ["name", "position", "rules", "severities", "node", "subject", "steps",
                  "repeat_min", "quiet_from", "quiet_to", "time_zone"]  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["rules"]
        choices.choices = [(name, name) for name in active_rules()]
        self.fields["steps"].help_text = STEPS_HELP
        # Compared with what is stored: pages and the API send no copy of it.
        self.fields["steps"].show_hidden_initial = False
        self.fields["node"].help_text = self.fields["subject"].help_text = "* is any text."

    def clean(self) -> dict[str, Any]:
        """Refuse quiet hours without an end, or of no length."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        start, end = values.get("quiet_from"), values.get("quiet_to")
        if (start is None) != (end is None):
            missing = "quiet_to" if end is None else "quiet_from"
            self.add_error(missing, "Give both times, or neither: without quiet hours.")
        elif start is not None and start == end:
            self.add_error("quiet_to", "Give another time than the first, or neither.")
        return values

    def clean_steps(self) -> list[dict[str, Any]]:
        """Refuse steps that cannot be taken."""
        known = set(Channel.objects.values_list("name", flat=True))
        return check_steps(self.cleaned_data["steps"], known)

    def clean_time_zone(self) -> str:
        """Refuse a zone that nobody knows."""
        name: str = self.cleaned_data["time_zone"]
        if name not in available_timezones():
            raise ValidationError("Use a name such as Europe/Berlin.")
        return name


def check_steps(steps: Any, channels: set[str]) -> list[dict[str, Any]]:
    """Return the steps of a route in their order. Raises ValidationError. Pure."""
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
        raise ValidationError(f"Give a list of 1 to {MAX_STEPS} steps.")
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, dict) or step.keys() != {"after_min", "channels"}:
            raise ValidationError(f"Step {number}: give it after_min and channels, no others.")
        after_min, names = step["after_min"], step["channels"]
        if type(after_min) is not int or not 0 <= after_min <= MAX_MINUTES:
            raise ValidationError(f"Step {number}: after_min is minutes, 0 to {MAX_MINUTES}.")
        if not isinstance(names, list) or not names:
            raise ValidationError(f"Step {number}: name one channel at least.")
        unknown = [str(name) for name in names if str(name) not in channels]
        if unknown:
            raise ValidationError(f"Step {number}: there is no channel {', '.join(unknown)}.")
    if steps[0]["after_min"] != 0:
        raise ValidationError("Step 1: after_min is 0, as it is at once.")
    if [step["after_min"] for step in steps] != sorted({step["after_min"] for step in steps}):
        raise ValidationError("Each step comes later than the one before it.")
    return steps


def _make_field(field: Field, channel: Channel, known: frozenset[str]) -> forms.CharField:
    is_set = field.name in known
    if not field.secret:
        initial = channel.values.get(field.name, field.default)
        return forms.CharField(
            label=field.label, help_text=field.help, required=field.required, initial=initial
        )
    hint = "Is set; leave empty to keep it." if is_set else field.help
    widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
    return forms.CharField(
        label=field.label, help_text=hint, required=field.required and not is_set, widget=widget
    )
