"""Routes of the pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from server.dashboard.pages.compare.view import compare
from server.dashboard.pages.event.view import event
from server.dashboard.pages.events.view import search
from server.dashboard.pages.heat_map.view import heat_map
from server.dashboard.pages.mail_flow.view import inbound, outbound
from server.dashboard.pages.node.view import node
from server.dashboard.pages.nodes.view import node_list
from server.dashboard.pages.overview.view import overview, overview_facts
from server.dashboard.pages.performance.view import performance
from server.dashboard.pages.queue.view import destination, queue


@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """The icon of pages that name none, such as those of the admin."""
    return redirect(static("dashboard/shell/assets/mallard.svg"))


urlpatterns = [
    path("", overview, name="overview"),
    path("overview/facts", overview_facts, name="overview-facts"),
    path("email/outbound/", outbound, name="outbound"),
    path("email/inbound/", inbound, name="inbound"),
    path("email/performance/", performance, name="performance"),
    path("email/queue/", queue, name="queue"),
    path("email/queue/destination/", destination, name="queue-destination"),
    path("nodes/", node_list, name="nodes-list"),
    path("nodes/compare/", compare, name="nodes-compare"),
    path("nodes/heat-map/", heat_map, name="nodes-heat-map"),
    # A node may have any name, one with a slash or of a page as well.
    path("nodes/named/<path:name>/", node, name="node-page"),
    path("events/", search, name="events"),
    path("events/<uuid:event_id>/", event, name="event"),
    path("favicon.ico", icon),
    # Links of an earlier version.
    path("email-flow/", RedirectView.as_view(pattern_name="outbound", query_string=True)),
]
