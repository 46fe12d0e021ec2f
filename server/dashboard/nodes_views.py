"""The pages of nodes: the list, one node, a comparison, the heat map."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from server.dashboard import nodes_charts as charts
from server.dashboard import nodes_detail as detail
from server.dashboard import nodes_page as page
from server.dashboard.events_page import frame_parameters
from server.dashboard.frame import framed
from server.dashboard.nodes_forecast import disk_full
from server.ledger.queries import completeness
from server.metrics.newest import disk_free_by_hour, newest_of_all, newest_system
from server.nodes.models import Node

#: Older samples are no news of how a node is; it is then shown without readings.
READINGS_LOOKED_BACK = timedelta(days=7)
#: A sample stamped this far ahead by a node's clock is still its newest.
CLOCKS_DIFFER = timedelta(minutes=10)
PAGE = 100
#: What the disk's forecast looks at, and what the ledger is asked for.
FORECAST_LOOKED_BACK = timedelta(days=7)
LEDGER_LOOKED_BACK = timedelta(days=7)


@require_safe
@login_required
def node_list(request: HttpRequest) -> HttpResponse:
    """Every node with its status and newest readings, filtered and sorted as the URL says."""
    now = timezone.now()
    rows = rows_at(now)
    asked = page.asked(request.GET)
    frame = frame_parameters(request.GET)
    found = page.chosen(rows, asked)
    shown = _page_number(request)
    context = {
        "rows": found[PAGE * (shown - 1) : PAGE * shown],
        "found_count": len(found),
        "known_count": len(rows),
        "counts": [
            (status, count, urlencode({**asked.parameters(), "status": status.key, **frame}))
            for status, count in page.counts(rows)
        ],
        "everybody": urlencode({**asked.parameters(), **frame} | {"status": ""}),
        "roles": sorted({row.role for row in rows if row.role}),
        "asked_of_list": asked,
        "heads": page.heads(asked, frame),
        "orders": page.orders(asked),
        "frame": frame,
        "carried": urlencode(frame),
        "newer": _other_page(request, shown - 1) if shown > 1 else None,
        "older": _other_page(request, shown + 1) if len(found) > PAGE * shown else None,
        "at": now,
        "offline_after_s": settings.NODE_OFFLINE_AFTER_S,
        "most_compared": page.MOST_COMPARED,
    }
    return framed(request, "dashboard/nodes.html", context, module="dashboard/js/nodes.js")


@require_safe
@login_required
def node(request: HttpRequest, name: str) -> HttpResponse:
    """All that is known of one node: readings, programs, ports, its agent and completeness."""
    now = timezone.now()
    found = find(name)
    since, until = now - READINGS_LOOKED_BACK, now + CLOCKS_DIFFER
    offline_after_s = settings.NODE_OFFLINE_AFTER_S
    system = newest_system(since, until, node_id=found.pk).get(found.pk)
    newest = newest_of_all(found.pk, since, until)
    programs, ports = newest.pop("processes", []), newest.pop("ports", [])
    epochs = completeness(now - LEDGER_LOOKED_BACK, node=found.name)
    always = {"system", "queue"} if "zonemta" in newest else {"system"}
    kinds = [kind for kind in charts.CHARTS if kind in newest or kind in always]
    frame = frame_parameters(request.GET)
    context = {
        "node": found,
        "row": page.row(
            found,
            system,
            now=now,
            offline_after_s=offline_after_s,
            maintenance=found.in_maintenance,
        ),
        "offline_after_s": offline_after_s,
        "system_at": system and system.time,
        "forecast": disk_full(disk_free_by_hour(found.pk, now - FORECAST_LOOKED_BACK, until)),
        "processes": detail.processes(programs),
        "processes_at": detail.time(programs[0]["time"]) if programs else None,
        "ports": detail.ports(ports),
        "parts": detail.parts(newest, now=now, stale_after_s=offline_after_s),
        "agent": detail.agent_health(next(iter(newest.get("agent", ())), None), now),
        "completeness": detail.completeness_verdict(epochs),
        "epochs": [detail.epoch(each) for each in epochs],
        "ledger_days": LEDGER_LOOKED_BACK.days,
        "kinds": [(kind, detail.LABELS[kind], charts.CHARTS[kind]) for kind in kinds],
        "chart_facts": {
            "node": found.name,
            "charts": {kind: charts.of_kind(kind) for kind in kinds},
        },
        "at": now,
        "carried": urlencode(frame),
    }
    return framed(request, "dashboard/node.html", context, module="dashboard/js/node.js")


@require_safe
@login_required
def compare(request: HttpRequest) -> HttpResponse:
    """Two to five nodes beside each other, now and over the range."""
    now = timezone.now()
    rows = {row.name: row for row in rows_at(now)}
    names = page.compared(request.GET.getlist("node"), rows)
    unknown = [name for name in request.GET.getlist("node")[:20] if name and name not in rows]
    context = {
        "rows": [rows[name] for name in names],
        "all_names": list(rows),
        "unknown": unknown,
        "enough": len(names) >= page.LEAST_COMPARED,
        "least": page.LEAST_COMPARED,
        "most": page.MOST_COMPARED,
        "readings": list(charts.COMPARED.items()),
        "chart_facts": {"nodes": names, "readings": charts.COMPARED},
        "frame": frame_parameters(request.GET),
        "carried": urlencode(frame_parameters(request.GET)),
        "at": now,
    }
    return framed(request, "dashboard/compare.html", context, module="dashboard/js/compare.js")


@require_safe
@login_required
def heat_map(request: HttpRequest) -> HttpResponse:
    """All nodes over the range, by one reading."""
    reading = request.GET.get("reading", "")
    chosen = reading if reading in charts.COMPARED else next(iter(charts.COMPARED))
    context = {
        "readings": list(charts.COMPARED.items()),
        "reading": chosen,
        "chart_facts": {"readings": charts.COMPARED},
        "frame": frame_parameters(request.GET),
        "carried": urlencode(frame_parameters(request.GET)),
    }
    return framed(request, "dashboard/heat_map.html", context, module="dashboard/js/heat_map.js")


def rows_at(now: datetime) -> list[page.Row]:
    """Return every node that is not retired, as it is at `now`. Asks two questions."""
    samples = newest_system(now - READINGS_LOOKED_BACK, now + CLOCKS_DIFFER)
    return [
        page.row(
            node,
            samples.get(node.pk),
            now=now,
            offline_after_s=settings.NODE_OFFLINE_AFTER_S,
            maintenance=node.in_maintenance,
        )
        for node in Node.objects.filter(retired_at=None).order_by("name")
    ]


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 6 else 1  # noqa: PLR2004


def _other_page(request: HttpRequest, number: int) -> str:
    asked: dict[str, Any] = {name: value for name, value in request.GET.items() if name != "page"}
    return urlencode({**asked, "page": number} if number > 1 else asked)


def find(name: str) -> Node:
    """Return the node. Raises Http404."""
    node = Node.objects.filter(name=name).first() if "\0" not in name else None
    if node is None:
        raise Http404(f"no node {name!r}")
    return node
