"""Routes of the read API, under /api/v1/."""

from django.urls import path

from server.api import inbound, sample_views, views

urlpatterns = [
    path("health", views.HealthView.as_view(), name="health"),
    path("health/ready", views.ReadyView.as_view(), name="ready"),
    path("completeness", views.CompletenessView.as_view(), name="completeness"),
    path("changes", views.ChangesView.as_view(), name="changes"),
    path("email/throughput", views.ThroughputView.as_view(), name="email-throughput"),
    path("email/stats", views.StatsView.as_view(), name="email-stats"),
    path("email/performance", views.PerformanceView.as_view(), name="email-performance"),
    path("email/bounce-analysis", views.BounceView.as_view(), name="email-bounces"),
    path("email/inbound", inbound.InboundView.as_view(), name="email-inbound"),
    path("email/sizes", views.SizesView.as_view(), name="email-sizes"),
    path("email/events", views.EventsView.as_view(), name="email-events"),
    path("email/events.csv", views.EventsCsvView.as_view(), name="email-events-csv"),
    path("email/events.json", views.EventsJsonView.as_view(), name="email-events-json"),
    path("email/events/<uuid:event_id>", views.EventView.as_view(), name="email-event"),
    path("nodes", views.NodesView.as_view(), name="nodes"),
    path("nodes/<str:name>", views.NodeView.as_view(), name="node"),
    path("nodes/<str:name>/metrics", sample_views.NodeMetricsView.as_view(), name="node-metrics"),
    path("metrics/<str:kind>", sample_views.MetricsView.as_view(), name="metrics"),
    path("email/queue", sample_views.QueueView.as_view(), name="email-queue"),
    path("email/queue/share", sample_views.ShareView.as_view(), name="email-queue-share"),
]
