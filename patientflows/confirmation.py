"""The six-character code that ties a callback in a strange browser to the page where the patient began."""

import hmac

from django.utils.crypto import salted_hmac

from patientflows import returning
from patientflows.models import Attempt

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that looks like something else
LENGTH = 6
MAX_TRIES = 5  # of 31⁶: a guess in 177 million


def code_of(attempt: Attempt) -> str:
    """The attempt's code: the same however often the callback comes, and stored nowhere."""
    mac = salted_hmac("patientflows.confirmation", attempt.pk + attempt.state_hash, algorithm="sha256")
    number = int.from_bytes(mac.digest())
    characters = []
    for _ in range(LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)


def is_code_of(attempt: Attempt, typed: str) -> bool:
    """Whether this is the attempt's code; spaces, dashes and case do not matter."""
    plain = "".join(character for character in typed.upper() if character.isalnum())
    return hmac.compare_digest(plain.encode(), code_of(attempt).encode())


def settle(waiting: list[Attempt], typed: str) -> Attempt | None:
    """Try what was typed on the attempts that wait: the one it belongs to is connected and returned.

    A wrong code costs each of them a try, taken before it is compared; the last wrong one fails the attempt, which is
    then returned. None: wrong, with tries left.
    """
    guessable = [attempt for attempt in waiting if attempt.take_confirmation_try(limit=MAX_TRIES)]
    for attempt in guessable:
        if is_code_of(attempt, typed):
            returning.confirm(attempt=attempt)
            return attempt
    for attempt in waiting:
        attempt.refresh_from_db(fields=["confirmation_tries"])
        if attempt.confirmation_tries >= MAX_TRIES:
            returning.reject(attempt=attempt)
            return attempt
    return None
