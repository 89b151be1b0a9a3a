"""Colours and words for statuses, the same on every page."""

from datetime import timedelta

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timesince import timesince, timeuntil
from django.utils.timezone import localtime, now

TONES = {
    "active": "success", "available": "success", "complete": "success", "completed": "success", "connected": "success",
    "delivered": "success", "done": "success", "fetched": "success", "new": "success",
    "open": "info", "queued": "info", "running": "info", "pending": "info", "waiting": "warning", "changed": "info",
    "partial": "warning", "expired": "warning", "held": "warning", "degraded": "warning", "skipped": "warning",
    "comparing": "info", "compared": "warning", "importing": "info", "imported": "success", "unchanged": "success",
    "dropped": "",
    "failed": "danger", "refresh_failed": "danger", "exhausted": "danger", "unavailable": "danger",
    "refused": "danger", "disabled": "danger", "gone": "danger", "revoked": "danger",
}  # fmt: skip

JUST_NOW = timedelta(minutes=1)
CLASSES = {
    "success": "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
    "info": "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    "warning": "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    "danger": "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
    "": "bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200",
}


def badge(status: str, tone: str | None = None):
    """A coloured word."""
    classes = CLASSES[TONES.get(status, "") if tone is None else tone]
    return format_html(
        '<span class="inline-block font-semibold rounded-default text-[11px] uppercase whitespace-nowrap h-6 leading-6 '
        'px-2 {}">{}</span>',
        classes, status.replace("_", " ") or "–",
    )  # fmt: skip


def when(moment):
    """`3 minutes ago` or `in 2 hours`, with the exact time on hovering."""
    if moment is None:
        return "–"
    exact = date_format(localtime(moment), "Y-m-d H:i:s") + " UTC"
    return format_html(
        '<time datetime="{}" title="{}" class="whitespace-nowrap">{}</time>', moment.isoformat(), exact, near(moment)
    )


def near(moment) -> str:
    """The same in plain text."""
    past = moment <= now()
    if abs(moment - now()) < JUST_NOW:
        return "just now" if past else "in a moment"
    words = (timesince(moment) if past else timeuntil(moment)).split(",")[0]
    return f"{words} ago" if past else f"in {words}"


def duration(milliseconds: int | None) -> str:
    """`850 ms`, `4.2 s`, `3 min 10 s`, `2 h 5 min`."""
    if milliseconds is None:
        return "–"
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def key_state(*, signs_from, retired_at):
    """Of a signing key."""
    if retired_at and retired_at <= now():
        return badge("retired", "")
    if signs_from > now():
        return badge("published", "info")
    return badge("retiring", "warning") if retired_at else badge("signs", "success")
