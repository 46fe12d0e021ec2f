"""Routes of the pages."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from server.dashboard.pages.block.view import block
from server.dashboard.pages.channels.view import channel, channels, new_channel, send_test
from server.dashboard.pages.compare.view import compare
from server.dashboard.pages.deliveries.view import deliveries
from server.dashboard.pages.event.view import event
from server.dashboard.pages.events.saved import act as act_on_saved_search
from server.dashboard.pages.events.view import search
from server.dashboard.pages.heat_map.view import heat_map
from server.dashboard.pages.incidents.view import (
    acknowledge_by_link,
    act,
    evidence,
    incident,
    incidents,
)
from server.dashboard.pages.inventory.view import inventory
from server.dashboard.pages.mail_flow.view import mail_flow
from server.dashboard.pages.node.view import node
from server.dashboard.pages.nodes.view import node_list
from server.dashboard.pages.overview.view import overview, overview_facts
from server.dashboard.pages.performance.view import performance
from server.dashboard.pages.profile.view import profile
from server.dashboard.pages.queue.view import destination, queue
from server.dashboard.pages.replies.view import bounces_file, reclassify_range, replies
from server.dashboard.pages.routes.view import delete_route, new_route, route, routes
from server.dashboard.pages.rules.view import act as act_on_rule
from server.dashboard.pages.rules.view import new_rule, rule, rules
from server.dashboard.pages.silences.view import act as act_on_silence
from server.dashboard.pages.silences.view import silences
from server.dashboard.pages.trace.view import trace
from server.profiles.kinds import KINDS


def page(route: str, view: Callable[..., HttpResponse], name: str, **given: str) -> URLPattern:
    """Return the route of a page: only read, and only by those who are logged in."""
    return path(route, require_safe(login_required(view)), given, name=name)


@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """The icon of pages that name none, such as those of the admin."""
    return redirect(static("dashboard/shell/assets/mallard.svg"))


urlpatterns = [
    page("", overview, "overview"),
    page("overview/facts", overview_facts, "overview-facts"),
    page("email/outbound/", mail_flow, "outbound", direction="outbound"),
    page("email/inbound/", mail_flow, "inbound", direction="inbound"),
    page("email/performance/", performance, "performance"),
    page("email/queue/", queue, "queue"),
    page("email/queue/destination/", destination, "queue-destination"),
    path(
        "email/by/",
        RedirectView.as_view(pattern_name="provider-list", query_string=True),
        name="by",
    ),
    *(page(f"email/by/{key}/", inventory, f"{key}-list", kind=key) for key in KINDS),
    *(page(f"email/by/{key}/named/", profile, f"{key}-page", kind=key) for key in KINDS),
    page("email/replies/", replies, "replies"),
    page("email/replies/bounces.txt", bounces_file, "replies-bounces"),
    path("email/replies/reclassify/", login_required(reclassify_range), name="replies-reclassify"),
    page("nodes/", node_list, "nodes-list"),
    page("nodes/compare/", compare, "nodes-compare"),
    page("nodes/heat-map/", heat_map, "nodes-heat-map"),
    # A node may have any name, one with a slash or of a page as well.
    page("nodes/named/<path:name>/", node, "node-page"),
    page("email/blocks/<int:number>/", block, "block"),
    page("alerts/incidents/", incidents, "incident-list"),
    page("alerts/incidents/<int:pk>/", incident, "incident-page"),
    page("alerts/incidents/<int:pk>/evidence", evidence, "incident-evidence"),
    path("alerts/incidents/<int:pk>/act/", login_required(act), name="incident-act"),
    page("alerts/channels/", channels, "channel-list"),
    path("alerts/channels/new/<str:kind>/", login_required(new_channel), name="channel-new"),
    path("alerts/channels/<int:pk>/", login_required(channel), name="channel-form"),
    path("alerts/channels/<int:pk>/test/", login_required(send_test), name="channel-test"),
    page("alerts/routes/", routes, "route-list"),
    path("alerts/routes/new/", login_required(new_route), name="route-new"),
    path("alerts/routes/<int:pk>/", login_required(route), name="route-form"),
    path("alerts/routes/<int:pk>/delete/", login_required(delete_route), name="route-delete"),
    page("alerts/deliveries/", deliveries, "deliveries"),
    page("alerts/rules/", rules, "rule-list"),
    page("alerts/rules/new/", new_rule, "rule-new"),
    path("alerts/rules/act/", login_required(act_on_rule), name="rule-act"),
    page("alerts/rules/named/<str:name>/", rule, "rule-page"),
    page("alerts/silences/", silences, "silence-list"),
    path("alerts/silences/act/", login_required(act_on_silence), name="silence-act"),
    # Without a login: the link is out of a notification.
    path("alerts/acknowledge/<str:token>/", acknowledge_by_link, name="acknowledge-by-link"),
    page("events/", search, "events"),
    path("events/saved/", login_required(act_on_saved_search), name="events-saved"),
    page("events/<uuid:event_id>/", event, "event"),
    page("trace/", trace, "trace"),
    path("favicon.ico", icon),
    # Links of an earlier version.
    path("email-flow/", RedirectView.as_view(pattern_name="outbound", query_string=True)),
]
