"""Reading the environment, with words for what cannot be read."""

import environ
from django.core.exceptions import ImproperlyConfigured

WANTED = {int: "a whole number", bool: "true or false", float: "a number"}


class Env(environ.Env):
    """`environ.Env` that names the variable when its value is of the wrong kind."""

    def get_value(self, var, cast=None, **options):
        """Raises ImproperlyConfigured; shows the value only where it can be no secret."""
        try:
            return super().get_value(var, cast=cast, **options)
        except ValueError:
            wanted = WANTED.get(cast, "something else")
            shown = f", not {self.ENVIRON.get(var)!r}" if cast in WANTED else ""
            raise ImproperlyConfigured(f"{var} must be {wanted}{shown} (see .env.example).") from None
