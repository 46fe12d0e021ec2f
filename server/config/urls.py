"""All routes of the web process."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from server.api import prometheus

admin.site.site_header = "Mallard"
admin.site.site_title = "Mallard"
admin.site.index_title = "Administration"

handler403 = "server.dashboard.shell.errors.forbidden"
handler404 = "server.dashboard.shell.errors.not_found"
handler500 = "server.dashboard.shell.errors.server_error"

urlpatterns = [
    path("", include("server.dashboard.urls")),
    path("", include("server.accounts.urls")),
    path("admin/server/", admin.site.admin_view(prometheus.server_page), name="admin-server"),
    path("admin/", admin.site.urls),
    path("metrics", prometheus.PrometheusView.as_view(), name="prometheus"),
    path("api/v1/", include("server.ingest.urls")),
    path("api/v1/", include("server.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
]
