"""Login, logout and one's own password: Django's views."""

from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.urls import path, reverse_lazy

from server.accounts.forms import LoginForm

urlpatterns = [
    path(
        "login/",
        LoginView.as_view(
            template_name="accounts/login.html",
            authentication_form=LoginForm,
            redirect_authenticated_user=True,
        ),
        name="login",
    ),
    path(
        "password/",
        PasswordChangeView.as_view(
            template_name="accounts/password.html", success_url=reverse_lazy("overview")
        ),
        name="password",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]
