"""Why an attempt ended, in kind words for patients: what happened, and what to do next."""

from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Explanation:
    """A title, a sentence, and whether trying the same portal again makes sense."""

    title: str
    text: str
    retry: bool = True


def explain(failure_code: str, portal: str) -> Explanation:
    """The words for one of the contract's failure codes (section 2)."""
    match failure_code:
        case "user_denied":
            return Explanation(
                _("You did not share your records"),
                _("You chose not to share records from %(portal)s. Nothing was shared. You can try again if you like.")
                % {"portal": portal},
            )
        case "authorization_abandoned":
            return Explanation(
                _("The sign-in was not finished"),
                _("We waited for you to come back from %(portal)s, but the time ran out. You can try again.")
                % {"portal": portal},
            )
        case "portal_unavailable":
            return Explanation(
                _("We cannot reach this portal right now"),
                _("%(portal)s is not answering. It is not your fault. Please try again in a few minutes.")
                % {"portal": portal},
            )
        case "patient_missing":
            return Explanation(
                _("The portal did not share a record"),
                _(
                    "%(portal)s did not tell us whose record to get. At its sign-in, please choose a person and keep the boxes ticked."
                )
                % {"portal": portal},
            )
        case "portal_misconfigured" | "invalid_scope":
            return Explanation(
                _("This portal is not ready yet"),
                _("%(portal)s does not accept our request. We have been told about it. You can choose another portal.")
                % {"portal": portal},
                retry=False,
            )
    return Explanation(
        _("That did not work"),
        _("Something went wrong while connecting to %(portal)s. Nothing was shared. Please try again.")
        % {"portal": portal},
    )
