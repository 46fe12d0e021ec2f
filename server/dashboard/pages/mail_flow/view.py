"""View of the pages Outbound and Inbound."""

from django.http import HttpRequest, HttpResponse

from server.dashboard.pages.mail_flow.page import build_section
from server.dashboard.shell.page import render_page
from server.live import messages


def mail_flow(request: HttpRequest, direction: str) -> HttpResponse:
    """Mail of one direction: its outcomes, its rate; its nodes, or why it was refused."""
    totals = messages.read_totals()
    context = {"section": build_section(direction, getattr(totals.hour, direction))}
    return render_page(request, f"mail_flow/{direction}", context, totals=totals)
