"""The little that patients type."""

from django import forms
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _


class CodeForm(forms.Form):
    """The six-character code."""

    code = forms.CharField(
        label=_("Code"), max_length=12,
        error_messages={"required": _("Please type the code.")},
        widget=forms.TextInput(attrs={
            "autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false", "class": "code-input",
        }),
    )  # fmt: skip


class MissingPortalForm(forms.Form):
    """A portal that is not in the list."""

    name = forms.CharField(
        label=_("Name of your hospital, clinic or health plan"), max_length=200,
        error_messages={"required": _("Please type the name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    place = forms.CharField(
        label=_("City or ZIP code (optional)"), max_length=120, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    portal_url = forms.CharField(
        label=_("Its web address, if you know it (optional)"), max_length=300, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"}),
    )  # fmt: skip


class LanguageForm(forms.Form):
    """The other language, and the page to go on with."""

    language = forms.ChoiceField(choices=[("en", "English"), ("es", "Español")])
    next = forms.CharField(required=False, max_length=500)

    def next_path(self, otherwise: str) -> str:
        """A path of this site below `otherwise`, and nothing else: this redirects nobody away."""
        path = self.data.get("next", "")
        inside = path.startswith(otherwise) and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
        return path if inside else otherwise
