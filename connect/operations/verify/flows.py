"""Flows and attempts: open only within their time, settled once, with what their status says."""

from django.db.models import Count, F, Q, QuerySet

from connect.operations.verify.findings import Check, overdue
from patientflows.expire import TIME_TO_PRESS_DONE
from patientflows.models import Attempt, PatientFlow, PatientLink


def open_past_their_time() -> QuerySet:
    """Those of patients at a portal, or just back from one, are let go on (`patientflows.expire`)."""
    at_portal = Attempt.objects.filter(status=Attempt.Status.PENDING)
    just_back = Attempt.objects.filter(settled_at__gt=overdue() - TIME_TO_PRESS_DONE)
    due = PatientFlow.objects.filter(status=PatientFlow.Status.OPEN, expires_at__lt=overdue())
    return due.exclude(pk__in=at_portal.values("flow_id")).exclude(pk__in=just_back.values("flow_id"))


def pending_past_their_time() -> QuerySet:
    return Attempt.objects.filter(status=Attempt.Status.PENDING, expires_at__lt=overdue())


def stuck_in_exchange() -> QuerySet:
    return Attempt.objects.filter(
        status=Attempt.Status.PENDING, stage=Attempt.Stage.EXCHANGING, leased_until__lt=overdue()
    )


def settled_with_secrets() -> QuerySet:
    kept = ~Q(verifier=None) | ~Q(nonce=None) | ~Q(grant=None)
    return Attempt.objects.exclude(status=Attempt.Status.PENDING).filter(kept)


def completed_without_time() -> QuerySet:
    return PatientFlow.objects.filter(
        Q(status="complete", completed_at=None) | Q(status="open") & ~Q(completed_at=None)
    )


def connected_twice() -> QuerySet:
    """A Direct flow leads to one source: never to more than one connection of one attempt each."""
    succeeded = Count("attempts", filter=Q(attempts__status=Attempt.Status.CONNECTED))
    direct = PatientFlow.objects.exclude(source=None)
    return direct.annotate(succeeded=succeeded).filter(succeeded__gt=1)


def connected_elsewhere() -> QuerySet:
    """An attempt whose connection is another patient's, or at another source."""
    attempts = Attempt.objects.filter(status=Attempt.Status.CONNECTED).exclude(connection=None)
    return attempts.exclude(connection__patient=F("flow__patient"), connection__source=F("source"))


def two_live_links() -> QuerySet:
    return PatientLink.objects.filter(revoked_at=None, patient__links__revoked_at=None).exclude(
        pk=F("patient__links__pk")
    )


CHECKS = (
    Check(
        "links-in-time", "No link is open past its time.", open_past_their_time,
        "The sweep `patientflows.expire_due` does not run: see /health/ready for beat and the worker of queue `flows`.",
    ),
    Check(
        "attempts-in-time", "No attempt waits for a patient past its time.", pending_past_their_time,
        "The sweep `patientflows.expire_due` does not run: see /health/ready for beat and the worker of queue `flows`.",
    ),
    Check(
        "exchanges-settled", "No code exchange hangs after its lease.", stuck_in_exchange,
        "The process died between the code and the portal's answer, and the sweep did not end the attempt: "
        "see /health/ready.",
    ),
    Check(
        "attempts-forget", "A settled attempt keeps no verifier, nonce or grant.", settled_with_secrets,
        "Something wrote the row past its own methods; clear the three columns of the rows named.",
    ),
    Check(
        "flows-settled-once", "A complete flow has its time, an open one has none.", completed_without_time,
        "Something wrote the row past its own methods; see its audit log.",
    ),
    Check(
        "one-connection-a-direct-flow", "A Direct flow connected once at most.", connected_twice,
        "See the flow's timeline: two callbacks were both believed.",
    ),
    Check(
        "attempts-lead-home", "A connected attempt leads to its own patient's connection at its own source.",
        connected_elsewhere, "Stop the installation and look at the attempts named: records may be with the wrong patient.",
    ),
    Check(
        "one-personal-link", "A patient has one live personal link at most.", two_live_links,
        "Turn off all of them on the patient's page; the next connection makes a new one.",
    ),
)  # fmt: skip
