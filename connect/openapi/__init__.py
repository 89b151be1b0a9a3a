"""The API's own description (OpenAPI 3.1): what every operation shares is said once, here.

A view's method is described by `@operation` and its docstring; `ContractSchema` adds what follows from the view: its
scope, the headers every answer has, and every error the operation can answer.
"""

from connect.openapi.operations import operation, page_of

__all__ = ["operation", "page_of"]
