"""The server's own metrics, for Prometheus and for the page of the administrators."""

from collections.abc import Iterable, Sequence

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as MetricFamily
from prometheus_client.registry import Collector
from rest_framework.request import Request

from server.accounts.roles import Role, role_of
from server.api.permissions import ReadView
from server.http.negotiation import SingleMediaType
from server.observability import health, metrics
from server.observability.metrics import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PrometheusView(ReadView):
    """`/metrics`: with a key of the scope `read`, or logged in."""

    schema = None
    content_negotiation_class = SingleMediaType  # Prometheus asks for types no renderer of ours has

    def get(self, request: Request) -> HttpResponse:
        samples, silent = metrics.collect()
        return HttpResponse(text(samples, silent), content_type=CONTENT_TYPE)


def text(samples: Sequence[Metric], silent: Sequence[str]) -> bytes:
    """Return metrics in Prometheus's text format. Pure."""

    class Collected(Collector):
        def collect(self) -> Iterable[MetricFamily]:
            return build_families(samples, silent)

    return generate_latest(Collected())


def build_families(samples: Sequence[Metric], silent: Sequence[str]) -> list[MetricFamily]:
    """Return one family for each name. Pure."""
    families: dict[str, MetricFamily] = {}
    for metric in samples:
        make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = families.setdefault(
            metric.name, make(metric.name, metric.help, labels=list(metric.labels))
        )
        family.add_metric(list(metric.labels.values()), metric.value)  # type: ignore[attr-defined]
    broken = GaugeMetricFamily("mallard_figures_missing", "Parts of the server that do not answer.")
    broken.add_metric([], len(silent))
    return [*families.values(), broken]


def server_page(request: HttpRequest) -> HttpResponse:
    """Show an administrator the probes and the metrics."""
    if role_of(request.user) is not Role.ADMIN:
        raise PermissionDenied
    samples, silent = metrics.collect()
    context = {
        **admin.site.each_context(request),
        "title": "This server",
        "findings": health.run_probes(),
        "figures": samples,
        "silent": silent,
    }
    return render(request, "api/server.html", context)
