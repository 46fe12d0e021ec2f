"""Routes of the pages."""

from django.urls import path
from django.views.generic import RedirectView

from server.dashboard import events_views, nodes_views, queue_views, views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("overview/facts", views.overview_facts, name="overview-facts"),
    path("email/outbound/", views.outbound, name="outbound"),
    path("email/inbound/", views.inbound, name="inbound"),
    path("email/performance/", views.performance, name="performance"),
    path("email/queue/", queue_views.queue, name="queue"),
    path("email/queue/destination/", queue_views.destination, name="queue-destination"),
    path("nodes/", nodes_views.node_list, name="nodes-list"),
    path("nodes/compare/", nodes_views.compare, name="nodes-compare"),
    path("nodes/heat-map/", nodes_views.heat_map, name="nodes-heat-map"),
    # A node may have any name, one with a slash or of a page as well.
    path("nodes/named/<path:name>/", nodes_views.node, name="node-page"),
    path("events/", events_views.search, name="events"),
    path("events/<uuid:event_id>/", events_views.one, name="event"),
    path("favicon.ico", views.icon),
    # Where links of an earlier version lead.
    path("email-flow/", RedirectView.as_view(pattern_name="outbound", query_string=True)),
]
