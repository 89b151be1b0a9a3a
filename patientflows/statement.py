"""What a patient is told before leaving for a portal: one place for the words, because receipts quote them."""

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from connect.organizations.models import Organization

VERSION = "2026-05"  # moves whenever a sentence below changes its meaning


def request_sentence(organization: Organization) -> str:
    """Who asks for what, and why."""
    purpose = organization.purpose_in(get_language())
    words = {"name": organization.name, "purpose": purpose}
    if purpose:
        return _("%(name)s asks for a copy of your health records %(purpose)s.") % words
    return _("%(name)s asks for a copy of your health records.") % words


def sharing_sentences(organization: Organization) -> list[str]:
    """What will be shared, for how long, and how to stop."""
    name = {"name": organization.name}
    return [
        _("You sign in at your hospital, clinic or health plan. We never see your password."),
        _("There you choose what to share. It can be visits, medicines, allergies, test results and notes."),
        _("%(name)s gets a copy. New records are added each day, until you stop it.") % name,
        _("You can stop at any time. You will get a page of your own for that."),
        _("What %(name)s already has stays there. Ask %(name)s if you want it deleted.") % name,
    ]
