"""A patient's own link, `/my/{token}` (contract 8): made with the first connection, found by hash, theirs to turn off."""

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from connect.audit.actions import PATIENT, record
from connect.crypto import new_token, token_hash
from connect.organizations.models import Patient
from patientflows.models import PatientLink

LINK_TOKEN_BITS = 192

log = structlog.get_logger(__name__)


class NotSent(Exception):
    """The e-mail did not go out: no address is known, one went out just now, or the mail server refused."""


def ensure_link(*, patient: Patient) -> PatientLink:
    """The patient's live link, made if there is none."""
    link = PatientLink.objects.live().filter(patient=patient).first()
    if link is not None:
        return link
    token = new_token(LINK_TOKEN_BITS)
    link = PatientLink(patient=patient, token_hash=token_hash(token))
    link.token = token
    try:
        with transaction.atomic():
            link.save(force_insert=True)
    except IntegrityError:  # another connection of the same patient was quicker
        return PatientLink.objects.live().get(patient=patient)
    return link


def find_link(token: str) -> PatientLink | None:
    """The live link with this token; nothing is said of one that was turned off."""
    found = PatientLink.objects.live().select_related("patient__organization")
    return found.filter(token_hash=token_hash(token)).first()


def live_link_url(patient: Patient) -> str | None:
    """The address of the patient's page; None when it was turned off."""
    link = PatientLink.objects.live().filter(patient=patient).first()
    return link and link_url(link)


def link_url(link: PatientLink) -> str:
    return f"{settings.BASE_URL}/my/{link.token}"


@transaction.atomic
def turn_off_link(*, link: PatientLink) -> None:
    """The patient wants this link to open nothing any more. Connections stay; the next one brings a new link."""
    if link.revoke():
        _audit("patient_link.revoked", link)


def email_link(*, link: PatientLink) -> None:
    """Send the link to the address the organisation knows, and to no other. Raises NotSent."""
    address, organization = link.patient.email, link.patient.organization
    if not address or not link.may_be_emailed():
        raise NotSent()
    text = _(
        "Here is your own page with %(name)s. It shows what you connected. There you can stop it at any time.\n\n"
        "%(url)s\n\n"
        "Keep this link to yourself: who has it can see your page."
    ) % {"name": organization.name, "url": link_url(link)}
    try:
        send_mail(_("Your page with %(name)s") % {"name": organization.name}, text, None, [address])
    except OSError as error:  # SMTPException is one
        log.warning("patient_link.email_failed", link_id=link.pk, error=type(error).__name__)
        raise NotSent() from None
    _audit("patient_link.emailed", link)


def _audit(action: str, link: PatientLink) -> None:
    record(
        action=action, by=PATIENT, organization_id=link.patient.organization_id, environment=link.patient.environment,
        object_type="patient_link", object_id=link.pk,
    )  # fmt: skip
