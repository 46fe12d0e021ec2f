"""Routes of the API under /api/v1/: one view a path, for those who read and those who send."""

from django.urls import path

from server.api.endpoints import (
    alerts,
    bounces,
    changes,
    completeness,
    events,
    health,
    inbound,
    incidents,
    metrics,
    nodes,
    performance,
    profile,
    queue,
    queue_share,
    sending_ips,
    sizes,
    stats,
    throughput,
    unclassified,
)
from server.api.endpoints.messages import trace
from server.api.endpoints.notifications import routes
from server.api.endpoints.refusals import blocks, reclassifications
from server.api.endpoints.rules import definitions, preview

urlpatterns = [
    path("health", health.HealthView.as_view(), name="health"),
    path("health/ready", health.ReadyView.as_view(), name="ready"),
    path("completeness", completeness.CompletenessView.as_view(), name="completeness"),
    path("alerts", alerts.AlertsView.as_view(), name="alerts"),
    path("incidents", incidents.IncidentsView.as_view(), name="incidents"),
    path("incidents/<int:pk>", incidents.IncidentView.as_view(), name="incident"),
    path("rules", definitions.RulesView.as_view(), name="rules"),
    path("rules/preview", preview.RulePreviewView.as_view(), name="rules-preview"),
    path("rules/<str:name>", definitions.RuleView.as_view(), name="rule"),
    path("silences", incidents.SilencesView.as_view(), name="silences"),
    path("silences/<int:pk>", incidents.SilenceView.as_view(), name="silence"),
    path("routes", routes.RoutesView.as_view(), name="routes"),
    path("routes/preview", routes.RoutePreviewView.as_view(), name="routes-preview"),
    path("routes/<int:pk>", routes.RouteView.as_view(), name="route"),
    path("changes", changes.ChangesView.as_view(), name="changes"),
    path("email/throughput", throughput.ThroughputView.as_view(), name="email-throughput"),
    path("email/stats", stats.StatsView.as_view(), name="email-stats"),
    path("email/performance", performance.PerformanceView.as_view(), name="email-performance"),
    path("email/bounce-analysis", bounces.BounceView.as_view(), name="email-bounces"),
    path(
        "email/unclassified-replies",
        unclassified.UnclassifiedView.as_view(),
        name="email-unclassified",
    ),
    path(
        "email/reclassifications",
        reclassifications.ReclassificationsView.as_view(),
        name="email-reclassifications",
    ),
    path("email/blocks", blocks.BlocksView.as_view(), name="email-blocks"),
    path("email/inbound", inbound.InboundView.as_view(), name="email-inbound"),
    path("email/replies", bounces.RepliesView.as_view(), name="email-replies"),
    path("email/profile", profile.ProfileView.as_view(), name="email-profile"),
    path("email/sending-ips", sending_ips.SendingIpsView.as_view(), name="email-sending-ips"),
    path(
        "email/sending-ips.csv",
        sending_ips.SendingIpsCsvView.as_view(),
        name="email-sending-ips-csv",
    ),
    path("email/sizes", sizes.SizesView.as_view(), name="email-sizes"),
    path("email/events", events.EventsView.as_view(), name="email-events"),
    path("email/events.csv", events.EventsCsvView.as_view(), name="email-events-csv"),
    path("email/events.json", events.EventsJsonView.as_view(), name="email-events-json"),
    path("email/events/<uuid:event_id>", events.EventView.as_view(), name="email-event"),
    path("trace", trace.TraceView.as_view(), name="trace-api"),
    path("trace/messages", trace.MessagesView.as_view(), name="trace-messages"),
    path("nodes", nodes.NodesView.as_view(), name="nodes"),
    path("nodes/<str:name>", nodes.NodeView.as_view(), name="node"),
    path("nodes/<str:name>/metrics", metrics.NodeMetricsView.as_view(), name="node-metrics"),
    *(
        path(f"metrics/{kind}", view.as_view(), name=f"ingest-{kind}")
        for kind, view in metrics.KIND_VIEWS.items()
    ),
    path("metrics/<str:kind>", metrics.MetricsView.as_view(), name="metrics"),
    path("email/queue", queue.QueueView.as_view(), name="email-queue"),
    path("email/queue/share", queue_share.ShareView.as_view(), name="email-queue-share"),
]
