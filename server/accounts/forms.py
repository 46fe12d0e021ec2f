"""Forms of the login, for the pages and for the admin."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.contrib.auth.models import User

from server.accounts import logins
from server.http import client_address

MAX_NAME_CHARS = User._meta.get_field("username").max_length


class LoginForm(AuthenticationForm):
    """Django's login, bounded: see `logins`."""

    username = UsernameField(max_length=MAX_NAME_CHARS)
    error_messages = {
        "invalid_login": "Wrong user name or password. Both are case-sensitive.",
        "inactive": "This account is switched off.",
        "busy": "Others are logging in at this moment. Try again in a few seconds.",
        "locked": "Too many attempts.",
    }

    def clean(self) -> dict[str, Any]:
        """Check the password when it is this person's turn."""
        name = self.cleaned_data.get("username")
        if not name or not self.cleaned_data.get("password"):
            return self.cleaned_data
        request: Any = self.request
        if not logins.may_try(name, client_address.of_request(request)):
            request.axes_locked_out = True  # its middleware answers in the place of the page
            raise self._error("locked")
        try:
            with logins.turn():
                return super().clean()
        except logins.Busy as error:
            raise self._error("busy") from error

    def _error(self, code: str) -> forms.ValidationError:
        return forms.ValidationError(self.error_messages[code], code=code)


class AdminLoginForm(LoginForm, AdminAuthenticationForm):
    """The same, for people who may use the admin alone."""
