"""What stands for the second step of signing in: an authenticator app, and recovery codes for who lost it.

Rows of django-otp, which asks every kind of device and throttles guesses; ours keep no secret in clear: the app's is
sealed, the codes are hashed.
"""

import base64
import secrets
import time
from urllib.parse import quote, urlencode

from django.db import models, transaction
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from connect.crypto import SealedField, token_hash

ISSUER = "Connect"
SECRET_BYTES = 20  # what RFC 4226 recommends for SHA-1
STEPS_TOLERATED = 1
RECOVERY_CODES = 10
CODE_BYTES = 10


class Authenticator(ThrottlingMixin, Device):
    """An authenticator app (TOTP, RFC 6238: SHA-1, six digits, 30 seconds)."""

    secret = SealedField(null=True, help_text="Base32, as apps take it.")
    drift = models.SmallIntegerField(default=0, help_text="Time steps by which the phone's clock differs from ours.")
    last_t = models.BigIntegerField(default=-1, help_text="The time step of the last code: each works once.")

    @classmethod
    @transaction.atomic
    def begin(cls, user) -> "Authenticator":
        """A fresh secret, in place of one that was never confirmed."""
        cls.objects.filter(user=user, confirmed=False).delete()
        made = cls.objects.create(user=user, name=ISSUER, confirmed=False)
        made.secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
        made.save(update_fields=["secret"])
        return made

    @property
    def totp(self) -> TOTP:
        """The generator that app and server share."""
        return TOTP(base64.b32decode(self.secret), drift=self.drift)

    @property
    def address(self) -> str:
        """The otpauth: address that apps scan as a QR code."""
        label = quote(f"{ISSUER}:{self.user.get_username()}")
        return f"otpauth://totp/{label}?{urlencode({'secret': self.secret, 'issuer': ISSUER})}"

    def confirm(self) -> None:
        """From now on signing in asks for it."""
        self.confirmed = True
        self.save(update_fields=["confirmed"])

    def verify_token(self, token: str) -> bool:
        """Whether these are the six digits of now; a right code is used up, a wrong one slows the next try down."""
        allowed, _ = self.verify_is_allowed()
        if not allowed:
            return False
        generator = self.totp
        generator.time = time.time()
        if not token.isdecimal() or not generator.verify(int(token), STEPS_TOLERATED, self.last_t + 1):
            self.throttle_increment()
            return False
        self.last_t, self.drift = generator.t(), generator.drift
        self.throttle_reset(commit=False)
        self.save()
        return True

    def get_throttle_factor(self) -> int:
        """Seconds to wait after the first wrong code; doubled by each that follows."""
        return 1


class RecoveryCodes(ThrottlingMixin, Device):
    """Ten codes that work once each. Only their hashes are kept: 80 random bits need no salt."""

    hashes = models.JSONField(default=list)

    @classmethod
    @transaction.atomic
    def renew(cls, user) -> list[str]:
        """Ten new ones in place of the old; they are not readable afterwards."""
        cls.objects.filter(user=user).delete()
        codes = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
        cls.objects.create(user=user, name="recovery codes", hashes=[token_hash(code) for code in codes])
        return ["-".join(code[i : i + 4] for i in range(0, len(code), 4)) for code in codes]

    def verify_token(self, token: str) -> bool:
        """Whether it is one that is left; it is used up."""
        allowed, _ = self.verify_is_allowed()
        given = token_hash(token.replace("-", "").lower())
        if not allowed:
            return False
        if given not in self.hashes:
            self.throttle_increment()
            return False
        self.hashes = [kept for kept in self.hashes if kept != given]
        self.throttle_reset(commit=False)
        self.save()
        return True

    def get_throttle_factor(self) -> int:
        """As an authenticator's."""
        return 1
