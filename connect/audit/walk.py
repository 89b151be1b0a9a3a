"""The daily walk along the whole hash chain, a stretch at a time: a log of years is never checked in one go."""

from dataclasses import asdict
from datetime import timedelta

import structlog
from django.utils import timezone

from connect.audit import chain
from connect.audit.models import GENESIS, ChainCheck

log = structlog.get_logger(__name__)

STRETCH = 50_000
AGAIN_AFTER = timedelta(days=1)
FAULTS_KEPT = 20


def standing() -> ChainCheck:
    """Where the walk stands."""
    check, _ = ChainCheck.objects.get_or_create(pk=ChainCheck.ONLY)
    return check


def go_on() -> None:
    """Check the next stretch, if it is due. Of two workers at one stretch, one writes what it found."""
    check, now = standing(), timezone.now()
    if check.due_at > now:
        return
    faults, last, is_end = chain.check(after=chain.Head(check.position, check.hash), most=STRETCH)
    faults += chain.never_chained() if is_end else []
    found = (check.found + [asdict(fault) for fault in faults])[:FAULTS_KEPT]
    if faults:
        log.error("audit.broken", faults=len(faults), position=faults[0].position, what=faults[0].what)
    if not is_end:
        check.step(position=last.position, hash=last.hash, found=found, faults=check.faults or found)
    else:
        check.step(
            position=0,
            hash=GENESIS,
            found=[],
            faults=found,
            ended_at=now,
            entries=last.position,
            due_at=now + AGAIN_AFTER,
        )
