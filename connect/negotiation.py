"""The API answers JSON whatever `Accept` says (contract 1): an existing client's header is never a reason to fail."""

from rest_framework.negotiation import DefaultContentNegotiation


class AlwaysTheFirst(DefaultContentNegotiation):
    """Bodies are parsed by their content type; answers are rendered by the view's first renderer."""

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type
