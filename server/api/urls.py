"""Routes of the read API, under /api/v1/."""

from django.urls import path

from server.api import views

urlpatterns = [
    path("health", views.HealthView.as_view(), name="health"),
    path("completeness", views.CompletenessView.as_view(), name="completeness"),
    path("email/throughput", views.ThroughputView.as_view(), name="email-throughput"),
]
