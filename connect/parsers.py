"""Request bodies: JSON that every database and every receiver of ours can hold (contract 1)."""

import json
import re

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class ApiJsonParser(JSONParser):
    """DRF's parser, which also refuses what RFC 8259 calls unpredictable: lone surrogates, endless nesting."""

    def parse(self, stream, media_type=None, parser_context=None):
        """The parsed body; raises ParseError, which the API answers as 400 `bad_request`."""
        body = stream.read()
        try:
            parsed = json.loads(body.decode(), parse_constant=_refuse_constant)
            if ESCAPED_SURROGATE.search(body):
                json.dumps(parsed, ensure_ascii=False).encode()
        except (ValueError, RecursionError):  # a UnicodeError is a ValueError
            raise ParseError("Not JSON in UTF-8") from None
        return parsed


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not JSON")
