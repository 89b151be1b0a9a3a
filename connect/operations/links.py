"""Links from any page to any other."""

from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html

STYLE = "text-primary-600 dark:text-primary-500 hover:underline"


def page(app_model: str, pk) -> str:
    """The address of a row's page: `page("pulls.pull", pull.pk)`."""
    return reverse(f"admin:{app_model.replace('.', '_')}_change", args=[quote(pk)])


def rows(app_model: str, **filters) -> str:
    """The address of a list, filtered: `rows("pulls.pull", connection="conn_…")`."""
    url = reverse(f"admin:{app_model.replace('.', '_')}_changelist")
    chosen = {key: value for key, value in filters.items() if value not in ("", None)}
    return f"{url}?{urlencode(chosen)}" if chosen else url


def to(app_model: str, pk, text=None):
    """A link to a row's page, or a dash."""
    if not pk:
        return "–"
    return format_html('<a class="{}" href="{}">{}</a>', STYLE, page(app_model, pk), text or pk)


def outward(url: str, text: str):
    return format_html('<a class="{}" href="{}">{}</a>', STYLE, url, text)
