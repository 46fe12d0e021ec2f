"""View of the page of one node."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone

from server.alerts.backlog import is_behind, unstored
from server.alerts.forecast import forecast_disk
from server.dashboard.pages.node import charts, file_systems
from server.dashboard.pages.node import page as detail
from server.dashboard.pages.nodes.view import MAX_CLOCK_AHEAD, MAX_SAMPLE_AGE, build_row
from server.dashboard.shell.lists.links import profile_href
from server.dashboard.shell.page import carried_params, render_page
from server.ledger.queries import completeness
from server.live.messages import read_totals
from server.metrics.newest import disk_free_by_hour, newest_of_all, newest_system
from server.nodes.models import Node
from server.observability.backlog import read_backlog
from server.profiles.sending_ips import list_ips_of

FORECAST_HISTORY = timedelta(days=7)
LEDGER_HISTORY = timedelta(days=7)


def node(request: HttpRequest, name: str) -> HttpResponse:
    """All that is known of one node: readings, programs, ports, its agent and completeness."""
    now = timezone.now()
    node_row = find_node(name)
    since, until = now - MAX_SAMPLE_AGE, now + MAX_CLOCK_AHEAD
    offline_after_s = settings.NODE_OFFLINE_AFTER_S
    system = newest_system(since, until, node_id=node_row.pk).get(node_row.pk)
    newest = newest_of_all(node_row.pk, since, until)
    newest_at = detail.find_newest(newest, now=now, stale_after_s=offline_after_s)
    programs, ports = newest.pop("processes", []), newest.pop("ports", [])
    part_at, parts_stale = newest_at.get("ports" if ports else "processes", (None, False))
    agent_at = newest_at.get("agent", (None, False))
    backlog = read_backlog()
    unstored_s = unstored(backlog, now).total_seconds()
    readings: list[dict[str, Any]] = getattr(system, "file_systems", None) or []
    point = file_systems.find_forecast_point(readings)
    free = disk_free_by_hour(node_row.pk, now - FORECAST_HISTORY, until, mount_point=point)
    epochs = completeness(now - LEDGER_HISTORY, node=node_row.name)
    always = {"system", "queue"} if "zonemta" in newest else {"system"}
    kinds = [kind for kind in charts.CHARTS if kind in newest or kind in always]
    behind = is_behind(backlog, now)
    totals = read_totals()
    context = {
        "node": node_row,
        "row": build_row(node_row, system, totals.standing, now=now, unstored_s=unstored_s),
        "forecast": forecast_disk(free),
        "forecast_point": point,
        "file_systems": file_systems.build_file_systems(readings),
        "processes": detail.build_processes(programs, role=node_row.role, is_stale=parts_stale),
        "ports": detail.build_ports(ports, is_stale=parts_stale),
        "parts_at": part_at,
        "parts_stale": parts_stale,
        "agent_at": agent_at,
        "agent": detail.build_agent_health(
            next(iter(newest.get("agent", ())), None),
            now,
            corrected_ms=node_row.clock_ahead_ms,
            is_stale=agent_at[1],
        ),
        "sending_ips": [
            (each, profile_href("ip", each.ip, carried_params(request.GET)))
            for each in list_ips_of(node_row.name)
        ],
        "completeness": detail.summarize_completeness(epochs, backlog if behind else None),
        "epochs": [detail.build_epoch(each, is_known=not behind) for each in epochs],
        "ledger_days": LEDGER_HISTORY.days,
        "kinds": [
            (kind, detail.LABELS[kind], charts.CHARTS[kind], *newest_at.get(kind, (None, False)))
            for kind in kinds
        ],
        "chart_facts": {
            "node": node_row.name,
            "charts": {kind: charts.CHARTS[kind] for kind in kinds},
        },
    }
    return render_page(request, "node/page", context, totals=totals)


def find_node(name: str) -> Node:
    if "\0" in name:
        raise Http404(f"no node {name!r}")
    return get_object_or_404(Node, name=name)
