"""Actions of a page: a dialog that says what will happen, then one call, an audit entry by that call, and a message."""

from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from connect.errors import ApiError
from connect.operations.admin import links


class Declined(Exception):
    """The action cannot be done now; its words are for the operator."""


def confirmed(
    *, title: str, description: str, permission: str, icon: str, form: type[BaseDialogForm] = BaseDialogForm,
    variant: ActionVariant = ActionVariant.DEFAULT, submit: str = "Do it",
) -> Callable:  # fmt: skip
    """Make a method `(self, request, row, form) -> str | HttpResponse` an action of a row's page.

    It runs on POST of its dialog only, for who holds the permission and may see the row; the string it returns is shown.
    Declined and ApiError are shown as errors.
    """

    def decorate(act: Callable) -> Callable:
        @action(
            description=title, icon=icon, variant=variant, permissions=[permission], url_path=act.__name__.replace("_", "-"),
            dialog={"title": f"{title}?", "description": description, "form_class": form, "form_submit_text": submit},
        )  # fmt: skip
        @wraps(act)
        def run(self, request, dialog, object_id):
            row = self.get_object(request, object_id)
            try:
                answer = act(self, request, row, dialog)
            except (Declined, ApiError) as problem:
                messages.error(request, str(problem))
            else:
                if isinstance(answer, HttpResponse):
                    return answer
                messages.success(request, answer)
            return back_to(request, links.page(self.opts.label_lower, row.pk))

        @wraps(run)
        def within_sight(self, request, object_id):
            if self.get_object(request, object_id) is None or not self.has_view_permission(request):
                raise Http404
            return run(self, request, object_id=object_id)

        return within_sight

    return decorate


def back_to(request, url: str) -> HttpResponse:
    """To this page: for htmx by its header, else by a redirect."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)
