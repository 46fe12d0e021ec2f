"""Views of the pages Outbound and Inbound."""

from django.http import HttpRequest, HttpResponse

from server.dashboard.pages.mail_flow.page import build_section
from server.dashboard.shell.page import render_page
from server.live import messages


def outbound(request: HttpRequest) -> HttpResponse:
    """Mail going out: its outcomes, its rate, its nodes."""
    return _mail_flow(request, "outbound")


def inbound(request: HttpRequest) -> HttpResponse:
    """Mail coming in: its outcomes, and why it was refused."""
    return _mail_flow(request, "inbound")


def _mail_flow(request: HttpRequest, direction: str) -> HttpResponse:
    """Answer the page of one direction; its counters are of the moment of the first paint."""
    totals = messages.read_totals()
    context = {"section": build_section(direction, getattr(totals.hour, direction))}
    return render_page(request, f"mail_flow/{direction}", context, totals=totals)
