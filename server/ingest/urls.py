"""Routes of the ingest endpoint, under /api/v1/."""

from django.urls import path

from server.ingest import views

urlpatterns = [
    path("events/ingest", views.EventsView.as_view(), name="ingest-events"),
    *(
        path(f"metrics/{kind}", view.as_view(), name=f"ingest-{kind}")
        for kind, view in views.SAMPLES_VIEWS.items()
    ),
    path("nodes", views.NodesView.as_view(), name="ingest-nodes"),
]
