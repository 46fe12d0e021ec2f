"""All routes of the web process."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

admin.site.site_header = "Mallard"
admin.site.site_title = "Mallard"
admin.site.index_title = "Administration"

handler403 = "server.dashboard.views.forbidden"
handler404 = "server.dashboard.views.not_found"
handler500 = "server.dashboard.views.server_error"

urlpatterns = [
    path("", include("server.dashboard.urls")),
    path("", include("server.accounts.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("server.ingest.urls")),
    path("api/v1/", include("server.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
]
