"""The six-character code that ties a callback in a strange browser to the page where the patient began."""

import hmac

from django.utils.crypto import salted_hmac

from patientflows.models import Attempt

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 6
MAX_TRIES = 5


def code_of(attempt: Attempt) -> str:
    """The attempt's code: the same however often the callback comes, and stored nowhere."""
    number = int.from_bytes(salted_hmac("patientflows.confirmation", attempt.pk + attempt.state_hash, algorithm="sha256").digest())
    characters = []
    for _ in range(LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)


def is_code_of(attempt: Attempt, typed: str) -> bool:
    """Whether this is the attempt's code; spaces, dashes and case do not matter."""
    plain = "".join(character for character in typed.upper() if character.isalnum())
    return hmac.compare_digest(plain.encode(), code_of(attempt).encode())
