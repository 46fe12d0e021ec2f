"""{% icon 'name' %}: an icon of the sprite that build.package.assets makes."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


LEVELS = ("ok", "warning", "critical", "none")


def state_icons() -> dict[str, str]:
    """Return level → the address of the tab's icon."""
    return {level: static(f"dashboard/shell/assets/state-{level}.svg") for level in LEVELS}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return the icon `name`, hidden from screen readers: a word or a label always stands by it."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("vendor/icons.svg"),
        name,
    )
