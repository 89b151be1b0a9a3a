"""Signing in: password, and for who has set it up a six-digit code (TOTP, RFC 6238) or a recovery code."""

from django import forms
from django.core.exceptions import ValidationError
from django_otp import devices_for_user, match_token
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

WRONG_CODE = "That code is not right. Enter the six digits your authenticator app shows now, or a recovery code."


class SignInForm(AuthenticationForm):
    """Throttling is django-axes' (password) and the device's own (code)."""

    otp_token = forms.CharField(
        required=False,
        label="Code",
        help_text="If you have set up two-step sign-in.",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": " ".join(BASE_INPUT_CLASSES)}
        ),
    )

    def clean(self):
        cleaned = super().clean()
        user = self.get_user()
        if user is not None and any(devices_for_user(user)):
            user.otp_device = match_token(user, cleaned.get("otp_token", ""))
            if user.otp_device is None:
                raise ValidationError(WRONG_CODE, code="invalid_token")
        return cleaned
