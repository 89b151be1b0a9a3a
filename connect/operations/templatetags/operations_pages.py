"""For the operations templates: addresses of pages."""

from django import template

from connect.operations import links

register = template.Library()


@register.simple_tag
def page_of(app_model: str, pk) -> str:
    """The admin page of a row."""
    return links.page(app_model, pk)
