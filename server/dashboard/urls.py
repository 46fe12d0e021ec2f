"""Routes of the pages."""

from django.urls import path
from django.views.generic import RedirectView

from server.dashboard import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="email-flow"), name="home"),
    path("email-flow/", views.email_flow, name="email-flow"),
]
