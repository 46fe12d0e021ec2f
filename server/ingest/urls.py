"""Routes under /api/v1/ that are for agents alone; server/api/urls.py has those of both."""

from django.urls import path

from server.ingest import views

urlpatterns = [path("events/ingest", views.EventsView.as_view(), name="ingest-events")]
