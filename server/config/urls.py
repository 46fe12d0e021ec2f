"""All routes of the web process."""

from functools import partial

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from server.api import prometheus
from server.api.endpoints import metrics, nodes
from server.config.method_router import View, by_method
from server.ingest import views as ingest

admin.site.site_header = "Mallard"
admin.site.site_title = "Mallard"
admin.site.index_title = "Administration"

METRICS: View = metrics.MetricsView.as_view()

handler403 = "server.dashboard.shell.errors.forbidden"
handler404 = "server.dashboard.shell.errors.not_found"
handler500 = "server.dashboard.shell.errors.server_error"

urlpatterns = [
    path("", include("server.dashboard.urls")),
    path("", include("server.accounts.urls")),
    path("admin/server/", admin.site.admin_view(prometheus.server_page), name="admin-server"),
    path("admin/", admin.site.urls),
    path("metrics", prometheus.PrometheusView.as_view(), name="prometheus"),
    # Stand before the rooms' own routes, which the OpenAPI description is made from.
    path(
        "api/v1/nodes",
        by_method(get=nodes.NodesView.as_view(), post=ingest.NodesView.as_view()),
    ),
    *(
        path(
            f"api/v1/metrics/{kind}",
            by_method(get=partial(METRICS, kind=kind), post=view.as_view()),
        )
        for kind, view in ingest.SAMPLES_VIEWS.items()
    ),
    path("api/v1/", include("server.ingest.urls")),
    path("api/v1/", include("server.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
]
