"""The little that patients type."""

from django import forms
from django.utils.translation import gettext_lazy as _


class CodeForm(forms.Form):
    """The six-character code."""

    code = forms.CharField(
        label=_("Code"), max_length=12,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false"}),
    )  # fmt: skip


class MissingPortalForm(forms.Form):
    """A portal that is not in the list."""

    name = forms.CharField(label=_("Name of your hospital, clinic or health plan"), max_length=200)
    place = forms.CharField(label=_("City or ZIP code"), max_length=120, required=False)
    portal_url = forms.CharField(label=_("Its web address, if you know it"), max_length=300, required=False)
