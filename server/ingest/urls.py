"""Routes of the door, under /api/v1/."""

from django.urls import path

from server.ingest import views

urlpatterns = [
    path("events/ingest", views.EventsView.as_view(), name="ingest-events"),
    path("metrics/system", views.SystemSamplesView.as_view(), name="ingest-system"),
    path("nodes", views.NodesView.as_view(), name="ingest-nodes"),
]
