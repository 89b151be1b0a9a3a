"""A strict portal in the test's own process, so that it stands while everything of Connect falls.

Codes work once, refresh tokens rotate and the old ones end at once, access tokens are short, pages come slowly. It
remembers what must never happen: a code sent twice.
"""

import json
import secrets
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

PAGE = 10
CAPABILITIES = {
    "resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1",
    "format": ["json"],
    "rest": [{"mode": "server", "resource": [
        {"type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}],
         "searchParam": [{"name": "patient", "type": "reference"}]}
        for kind in ("Observation", "Condition")
    ]}],
}  # fmt: skip


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Killed clients hang up; that is the game."""


class Portal:
    """`resources`: how many of each type every patient has. `page_seconds`: how long a page takes. `answer_badly`: called
    with each path; what it returns, if anything, is the status to answer instead. `has_grace`: a refresh token that was
    replaced is taken once more, as long as what replaced it was never used."""

    def __init__(self, *, resources: int = 40, page_seconds: float = 0.15, access_seconds: int = 3600):
        self.resources, self.page_seconds, self.access_seconds = resources, page_seconds, access_seconds
        self.codes: dict[str, str] = {}
        self.spent: Counter = Counter()
        self.access: dict[str, str] = {}
        self.refresh: dict[str, str] = {}
        self.pages_sent = 0
        self.refreshed = self.refused_refreshes = 0
        self.replaced: dict[str, str] = {}
        self.has_grace = False
        self.answer_badly = lambda path: None
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def fhir(self) -> str:
        return f"{self.url}/fhir"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def consent(self, authorization_url: str, patient: str) -> str:
        """The patient logs in and says yes: the callback's URL, with its code."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        code = secrets.token_urlsafe(12)
        self.codes[code] = patient
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict) -> tuple[int, dict]:
        with self.lock:
            if form.get("grant_type") == "authorization_code":
                self.spent[form["code"]] += 1
                patient = self.codes.get(form["code"]) if self.spent[form["code"]] == 1 else None
            else:
                patient = self._refreshed(form.get("refresh_token", ""))
                self.refused_refreshes += patient is None
                self.refreshed += patient is not None
            if patient is None:
                return 400, {"error": "invalid_grant"}
            access, refresh = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
            self.access[access], self.refresh[refresh] = patient, patient
            self.replaced[form.get("refresh_token", "")] = refresh
        return 200, {
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "patient": patient,
            "expires_in": self.access_seconds, "scope": "launch/patient offline_access patient/*.rs",
        }  # fmt: skip

    def _refreshed(self, token: str) -> str | None:
        """Whose token it is, which ends with that."""
        if self.has_grace and token not in self.refresh and self.replaced.get(token) in self.refresh:
            return self.refresh.pop(self.replaced[token])
        return self.refresh.pop(token, None)

    def search(self, kind: str, query: dict) -> tuple[int, dict]:
        patient, offset = query["patient"][0].removeprefix("Patient/"), int(query.get("offset", ["0"])[0])
        time.sleep(self.page_seconds)
        with self.lock:
            self.pages_sent += 1
        chosen = range(offset, min(offset + PAGE, self.resources))
        entries = [{"resource": resource(kind, patient, number), "search": {"mode": "match"}} for number in chosen]
        links = []
        if offset + PAGE < self.resources:
            following = urlencode({"patient": patient, "offset": offset + PAGE})
            links = [{"relation": "next", "url": f"{self.fhir}/{kind}?{following}"}]
        return 200, {"resourceType": "Bundle", "type": "searchset", "total": self.resources, "link": links,
                     "entry": entries}  # fmt: skip

    def holdings(self, patient: str) -> dict[str, dict]:
        """`Type/id` → resource, of all a patient has."""
        every = [resource(kind, patient, n) for kind in ("Observation", "Condition") for n in range(self.resources)]
        return {f"{each['resourceType']}/{each['id']}": each for each in every}


def resource(kind: str, patient: str, number: int) -> dict:
    return {"resourceType": kind, "id": f"{patient}-{number}", "subject": {"reference": f"Patient/{patient}"},
            "note": [{"text": f"canary-phi of {patient}"}]}  # fmt: skip


def _handler(portal: Portal) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            parts = urlsplit(self.path)
            kind = parts.path.rpartition("/")[2]
            match kind:
                case "smart-configuration":
                    self.reply(200, {
                        "authorization_endpoint": f"{portal.url}/authorize", "token_endpoint": f"{portal.url}/token",
                        "grant_types_supported": ["authorization_code", "refresh_token"],
                        "code_challenge_methods_supported": ["S256"],
                        "capabilities": ["launch-standalone", "context-standalone-patient", "permission-offline",
                                         "permission-v2"],
                    })  # fmt: skip
                case "metadata":
                    self.reply(200, CAPABILITIES)
                case "Observation" | "Condition":
                    if self.headers.get("Authorization", "").removeprefix("Bearer ") not in portal.access:
                        return self.reply(401, {})
                    self.reply(*portal.search(kind, parse_qs(parts.query)))
                case _:
                    self.reply(404, {"resourceType": "OperationOutcome", "issue": []})

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self.reply(*portal.token(dict(parse_qsl(body))))

        def reply(self, status: int, body: dict) -> None:
            status = portal.answer_badly(self.path) or status
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args):
            """Quiet."""

    return Handler
