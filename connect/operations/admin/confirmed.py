"""Actions of a page: a dialog that says what will happen, then one call, an audit entry by that call, and a message."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from connect.errors import ApiError
from connect.operations import links


class Declined(Exception):
    """The action cannot be done now; its words are for the operator."""


def shown_when(applies: Callable[[Any], bool]) -> Callable:
    """Offer an action of a row's page only where `applies(row)`. It goes outside of the other decorators.

    This is for eyes: whoever presses a button of a page that has grown old is told by the action itself.
    """

    def decorate(act: Callable) -> Callable:
        act.applies = applies
        return act

    return decorate


def confirmed(**how) -> Callable:
    """Make a method `(self, request, row, form) -> str | HttpResponse` an action of a row's page.

    It runs on POST of its dialog only, for who holds the permission and may see the row; the string it returns is shown.
    Declined and ApiError are shown as errors. `how`: see `_dialog`.
    """

    def decorate(act: Callable) -> Callable:
        @_dialog(act, **how)
        def run(self, request, dialog, object_id):
            row = self.row(request, object_id)
            return _carry_out(request, lambda: act(self, request, row, dialog), self.page_of(row))

        @wraps(run)
        def within_sight(self, request, object_id):
            row = self.row(request, object_id)
            if row is None or not self.has_view_permission(request, row):
                raise Http404
            return run(self, request, object_id=object_id)

        return within_sight

    return decorate


def confirmed_on_list(**how) -> Callable:
    """The same for a method `(self, request, form)` on the list: it is about no row in particular."""

    def decorate(act: Callable) -> Callable:
        @_dialog(act, **how)
        def run(self, request, dialog):
            return _carry_out(request, lambda: act(self, request, dialog), links.rows(self.opts.label_lower))

        @wraps(run)
        def for_viewers(self, request):
            if not self.has_view_permission(request):
                raise Http404
            return run(self, request)

        return for_viewers

    return decorate


def _dialog(
    act: Callable, *, title: str, description: str, permission: str, icon: str, form: type[BaseDialogForm] = BaseDialogForm,
    variant: ActionVariant = ActionVariant.DEFAULT, submit: str = "Do it",
) -> Callable:  # fmt: skip
    def decorate(run: Callable) -> Callable:
        run.__name__ = act.__name__
        return action(
            description=title, icon=icon, variant=variant, permissions=[permission], url_path=act.__name__.replace("_", "-"),
            dialog={"title": f"{title}?", "description": description, "form_class": form, "form_submit_text": submit},
        )(run)  # fmt: skip

    return decorate


def _carry_out(request, act: Callable, page: str) -> HttpResponse:
    try:
        answer = act()
    except (Declined, ApiError) as problem:
        messages.error(request, str(problem))
    else:
        if isinstance(answer, HttpResponse):
            return answer
        messages.success(request, answer)
    return back_to(request, page)


def back_to(request, url: str) -> HttpResponse:
    """To this page: for htmx by its header, else by a redirect."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def secret_once(request, secret: str, what: str, back: str) -> HttpResponse:
    """Show a fresh secret in the action's dialog, this once, with the way on."""
    answer = render(request, "operations/secret_once.html", {"secret": secret, "what": what, "back": back})
    add_never_cache_headers(answer)
    return answer
