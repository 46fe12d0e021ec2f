"""View that keeps or deletes a search of the person who looks at the events."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from server.accounts import saved_searches
from server.dashboard.pages.events.page import build_query
from server.dashboard.pages.events.search import SearchForm
from server.dashboard.shell.page import carried_params

#: Of the number of a row.
MAX_DIGITS = 18


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Keep the search of the address, or delete one; and show the search again."""
    form, carried = SearchForm(request.GET), carried_params(request.GET)
    filters = form.filters() if form.is_valid() else {}
    query = build_query(filters, carried)
    try:
        number = request.POST.get("forget", "")
        if number:
            saved_searches.forget(request, int(number[:MAX_DIGITS]))
        else:
            saved_searches.keep(request, request.POST.get("name", ""), query if filters else "")
    except ValueError as problem:
        query = "&".join(filter(None, (query, urlencode({"problem": str(problem)}))))
    return redirect(f"{reverse('events')}?{query}")
