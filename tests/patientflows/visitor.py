"""A patient's browser without a browser: Django's client, and the steps to the portal and back."""

from urllib.parse import parse_qsl, urlsplit

from django.test import Client

from tests.patientflows.hospital import callback_url

IDS = iter(range(1, 1_000_000))


class Visitor(Client):
    """One browser with its cookies. `flow` bodies are the API's."""

    def open(self, flow: dict, *, follow: bool = False, **more):
        return self.get(path_of(flow["url"]), follow=follow, **more)

    def choose(self, flow: dict, source_id: str):
        """Leave for a portal; the answer redirects to it."""
        return self.post(f"{path_of(flow['url'])}/portal/{source_id}")

    def leave(self, flow: dict, source_id: str | None = None) -> dict[str, str]:
        """Leave (in Direct Mode by opening the link) and return the parameters of the authorisation request."""
        answer = self.choose(flow, source_id) if source_id else self.open(flow)
        return asked_of(answer)

    def come_back(self, asked: dict[str, str], **said: str):
        """The portal's redirect; a fresh code unless `said` says otherwise."""
        url = callback_url(asked, **(said or {"code": f"code-{next(IDS)}"}))
        return self.get(path_of(url))

    def connect(self, flow: dict, source_id: str | None = None):
        """There and back: the answer redirects to the outcome."""
        return self.come_back(self.leave(flow, source_id))


def path_of(url: str) -> str:
    """Path and query of one of our URLs."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def asked_of(answer) -> dict[str, str]:
    """What an authorisation request says."""
    assert answer.status_code in (302, 303), answer.content.decode()[:2000]
    return dict(parse_qsl(urlsplit(answer["Location"]).query))
