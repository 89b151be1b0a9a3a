"""Every hosted page in every state worth seeing: how to get there, by the real path."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from connect.throttling import spend
from patientflows import pages, personal_pages
from patientflows.models import Attempt, PatientFlow, PatientLink
from portals.models import Source
from pulls.models import Pull
from pulls.run import run_pull
from tests.patientflows.hospital import Hospital, callback_url
from tests.patientflows.visitor import Visitor, path_of
from tests.portals.portal_double import Answer

CLINICS = (
    ("Mayo Clinic", "Mayo Clinic", "Rochester", "MN"),
    ("Mayo Clinic", "Mayo Clinic", "Phoenix", "AZ"),
    ("Mayo Clinic Health System", "Mayo Clinic", "Eau Claire", "WI"),
    ("Saint Luke's Hospital", "", "Kansas City", "MO"),
    ("Cleveland Clinic", "", "Cleveland", "OH"),
    ("University of Texas Southwestern Medical Center", "", "Dallas", "TX"),
)


@dataclass
class Scene:
    """What a state is built from. `visitor` is a patient's browser without a window."""

    organization: object
    api: object
    hospital: Hospital
    visitor: Visitor
    monkeypatch: pytest.MonkeyPatch
    sources: list[Source] = field(default_factory=list)

    def __post_init__(self):
        type(self.organization).objects.filter(pk=self.organization.pk).update(
            name="TrialFinder", purpose="to find clinical trials that fit you",
            purpose_es="para encontrar estudios clínicos para usted", colour="#5b3fa8",
            support_contact="help@trialfinder.example", privacy_url="https://trialfinder.example/privacy",
        )  # fmt: skip
        for number, (name, brand, city, state) in enumerate(CLINICS):
            place = [{"city": city, "state": state}]
            path = "/fhir" if number == 0 else f"/fhir/{number}"
            self.sources.append(self.hospital.enter_catalogue(name, path, brand=brand or None, locations=place))

    @property
    def source(self) -> Source:
        return self.sources[0]

    def flow(self, **more) -> dict:
        """A link; in Picker Mode unless `more` says otherwise."""
        body = {"patient_id": "p-1", "return_url": self.hospital.return_url, "return_button_label": "TrialFinder"}
        answer = self.api.create("/patient-flows", body | more)
        assert answer.status_code == 200, answer.json()
        return answer.json()

    def link(self, **more) -> str:
        """The path of a new link."""
        return path_of(self.flow(**more)["url"])

    def connected(self, **more) -> str:
        """The path of the outcome of an attempt that connected."""
        return path_of(self.visitor.connect(self.flow(**more), self.source.pk)["Location"])

    def failed(self, failure_code: str) -> str:
        """The path of the outcome of an attempt that failed so."""
        answer = self.visitor.choose(self.flow(), self.source.pk)
        attempt = Attempt.objects.get()
        assert attempt.is_pending, answer
        attempt.fail(failure_code)
        return f"{path_of(self.flow_url)}/outcome/{attempt.pk}"

    @property
    def flow_url(self) -> str:
        return f"/c/{PatientFlow.objects.latest('pk').token}"

    def pull(self) -> None:
        """Do what the worker would do."""
        run_pull(Pull.objects.get().pk)

    def my(self, *rest: str) -> str:
        """A path below the patient's own page, after one connection."""
        self.connected(patient_email="ann@example.org")
        return "/".join(["/my", PatientLink.objects.get().token, *rest])


def recommended(scene: Scene) -> str:
    return scene.link(recommended_connection_ids=[scene.sources[4].pk, scene.sources[3].pk])


def one_connected(scene: Scene) -> str:
    scene.connected()
    return scene.flow_url


def waiting_for_code(scene: Scene) -> str:
    flow = scene.flow()
    asked = scene.visitor.leave(flow, scene.source.pk)
    Visitor().come_back(asked)
    return path_of(flow["url"])


def callback_elsewhere(scene: Scene) -> str:
    asked = scene.visitor.leave(scene.flow(), scene.source.pk)
    return path_of(callback_url(asked, code="code-elsewhere"))


def came_back_twice(scene: Scene, **said: str) -> str:
    asked = scene.visitor.leave(scene.flow(), scene.source.pk)
    scene.visitor.come_back(asked, **said)
    return path_of(callback_url(asked, **said))


def exchanging(scene: Scene) -> str:
    scene.visitor.leave(scene.flow(), scene.source.pk)
    attempt = Attempt.objects.get()
    attempt.start_exchange(lease=timedelta(minutes=1))
    return f"{scene.flow_url}/outcome/{attempt.pk}"


def records_here(scene: Scene) -> str:
    path = scene.connected()
    scene.pull()
    return path


def records_partly(scene: Scene) -> str:
    scene.hospital.on("/fhir/Observation", Answer(403, json={"resourceType": "OperationOutcome"}))
    return records_here(scene)


def unreachable(scene: Scene) -> str:
    scene.hospital.on("/fhir/.well-known/smart-configuration", Answer(503))
    scene.hospital.on("/fhir/metadata", Answer(503))
    return scene.link(connection_id=scene.source.pk)


def used(scene: Scene) -> str:
    flow = scene.flow()
    scene.visitor.connect(flow, scene.source.pk)
    scene.visitor.post(f"{path_of(flow['url'])}/done")
    return path_of(flow["url"])


def expired(scene: Scene) -> str:
    flow = scene.flow()
    scene.api.create(f"/patient-flows/{flow['id']}/expire")
    return path_of(flow["url"])


def slowed_down(scene: Scene) -> str:
    for _ in range(personal_pages.VISITS_PER_MINUTE):
        spend("my:127.0.0.1", personal_pages.VISITS_PER_MINUTE)
    return "/my/guess"


def broken(scene: Scene) -> str:
    def fault(*_):
        raise RuntimeError("a fault of ours")

    scene.monkeypatch.setattr(pages, "recommended_choices", fault)
    return scene.link()


def receipt(scene: Scene) -> str:
    overview = scene.my()
    page = scene.visitor.get(overview).content.decode()
    return re.search(r"/my/[^\"]+/receipts/[^\"/]+", page)[0]


def stopped(scene: Scene) -> str:
    overview = scene.my()
    page = scene.visitor.get(overview).content.decode()
    scene.visitor.post(re.search(r"/my/[^\"]+/disconnect", page)[0])
    return overview


def disconnecting(scene: Scene) -> str:
    page = scene.visitor.get(scene.my()).content.decode()
    return re.search(r"/my/[^\"]+/disconnect", page)[0]


FAILURES = {
    "user_denied": "You did not share your records",
    "patient_missing": "The portal did not share a record",
    "portal_misconfigured": "This portal is not ready yet",
}

# name: (how to get there, what its heading says in English)
SCENES: dict[str, tuple[Callable[[Scene], str], str]] = {
    "start": (lambda scene: scene.link(), "Connect your health records"),
    "start-recommended": (recommended, "Connect your health records"),
    "start-connected": (one_connected, "Connect your health records"),
    "search": (lambda scene: scene.link() + "/search?q=mayo&near=Phoenix,+AZ", "Find your portal"),
    "search-nothing": (lambda scene: scene.link() + "/search?q=xyzzyplugh", "Find your portal"),
    "search-empty": (lambda scene: scene.link() + "/search", "Find your portal"),
    "portal": (lambda scene: f"{scene.link()}/portal/{scene.source.pk}", "Sign in at your portal"),
    "portal-gone": (lambda scene: f"{scene.link()}/portal/fhirsrc_none", "This page is not here"),
    "missing": (lambda scene: scene.link() + "/missing?q=Mercy", "Tell us which portal is missing"),
    "missing-thanks": (lambda scene: scene.link() + "/missing/thanks", "Thank you"),
    "code": (waiting_for_code, "Type the code"),
    "code-elsewhere": (callback_elsewhere, "One last step"),
    "finishing": (exchanging, "One moment"),
    "finished-elsewhere": (lambda scene: came_back_twice(scene, code="c"), "You are connected to Mayo Clinic"),
    "refused-elsewhere": (
        lambda scene: came_back_twice(scene, error="access_denied"),
        "You did not share your records",
    ),
    "connected": (lambda scene: scene.connected(), "You are connected to Mayo Clinic"),
    "connected-records": (records_here, "You are connected to Mayo Clinic"),
    "connected-partly": (records_partly, "You are connected to Mayo Clinic"),
    **{f"failed-{code}": (lambda scene, code=code: scene.failed(code), title) for code, title in FAILURES.items()},
    "unreachable": (unreachable, "We cannot reach this portal right now"),
    "used": (used, "You are done here"),
    "expired": (expired, "This link has run out"),
    "unknown": (lambda scene: "/c/never-made", "We do not know this link"),
    "stale": (lambda scene: "/oauth/callback/epic-tests?code=1&state=2", "Please start again"),
    "error": (broken, "Something went wrong"),
    "my": (lambda scene: scene.my(), "Your connected records"),
    "my-stopped": (stopped, "Your connected records"),
    "my-sent": (lambda scene: scene.my() + "?sent=yes", "Your connected records"),
    "my-disconnect": (disconnecting, "Stop sharing from Mayo Clinic?"),
    "my-receipt": (receipt, "What you agreed to"),
    "my-turn-off": (lambda scene: scene.my("turn-off"), "Turn off this link?"),
    "my-gone": (lambda scene: scene.my("receipts", "none"), "This page is not here"),
    "my-unknown": (lambda scene: "/my/guess", "We do not know this link"),
    "my-slow-down": (slowed_down, "Please wait a moment"),
}
