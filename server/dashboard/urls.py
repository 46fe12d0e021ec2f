"""Routes of the pages."""

from django.urls import path
from django.views.generic import RedirectView

from server.dashboard import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="outbound", query_string=True), name="overview"),
    path("email/outbound/", views.outbound, name="outbound"),
    # Where links of an earlier version lead.
    path("email-flow/", RedirectView.as_view(pattern_name="outbound", query_string=True)),
]
