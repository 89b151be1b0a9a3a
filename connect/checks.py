"""System checks: a wrong setting is explained in one sentence, at the start of every process and by `manage.py check`.

Those marked for deployment say what a laptop may have and an installation with patients may not.
"""

import ipaddress
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks
from django.http.request import validate_host

from connect.crypto import Keyring

TAG = "connect"
POSITIVE = (
    "API_RATE_LIMIT_PER_MINUTE", "WEBHOOK_THREADS", "REFRESH_THREADS", "OUTBOUND_CONNECTIONS_PER_HOST",
    "PULL_INTERVAL_SECONDS", "DOCUMENT_MAX_BYTES", "WEBHOOK_EVENT_DAYS", "WEBHOOK_ATTEMPT_DAYS",
    "SESSION_COOKIE_AGE",
)  # fmt: skip
NOT_NEGATIVE = ("WRONG_KEYS_PER_MINUTE", "PROXY_HOPS")


def insist() -> None:
    """End this process with the sentences of every check that failed: web, worker and beat call it as they start."""
    faults = [fault for fault in run_checks(tags=[TAG]) if fault.is_serious()]
    if faults:
        raise SystemExit("\n".join(f"{fault.msg} {fault.hint or ''}".rstrip() for fault in faults))


@register(TAG)
def check_base_url(app_configs, **kwargs) -> list[CheckMessage]:
    """Links, redirect URIs and `doc_url` all begin with it, and portals compare it letter by letter."""
    parts = urlsplit(settings.BASE_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        return [Error(f"BASE_URL must be https://host without a path, not {settings.BASE_URL!r}.", id="connect.E001")]
    if not settings.DEBUG and not validate_host(parts.hostname, settings.ALLOWED_HOSTS):
        return [
            Error(
                f"ALLOWED_HOSTS lacks {parts.hostname!r}, the host of BASE_URL: every patient would be refused.",
                hint=f"ALLOWED_HOSTS={parts.hostname},127.0.0.1", id="connect.E002",
            )
        ]  # fmt: skip
    return []


@register(TAG)
def check_sealing_keys(app_configs, **kwargs) -> list[CheckMessage]:
    """Says which key of the list is wrong, and nothing of what it is."""
    hint = "`python -m connect.embedded` prints a fresh one; put it first and keep the others."
    wrong = [number for number, spec in enumerate(settings.SEALING_KEYS, 1) if not _is_sealing_key(spec)]
    if wrong:
        text = f"SEALING_KEYS: number {wrong[0]} is not <8 hex digits>:<base64 of 32 bytes>."
        return [Error(text, hint=hint, id="connect.E003")]
    if len({spec.partition(":")[0].lower() for spec in settings.SEALING_KEYS}) < len(settings.SEALING_KEYS):
        return [Error("SEALING_KEYS: two keys have the same id, so one of them opens nothing.", id="connect.E004")]
    return []


def _is_sealing_key(spec: str) -> bool:
    try:
        Keyring([spec])
    except ValueError:
        return False
    return len(spec.partition(":")[0]) == 8


@register(TAG)
def check_networks(app_configs, **kwargs) -> list[CheckMessage]:
    return [
        Error(f"{name}: {network!r} is not a network such as 10.20.0.0/16.", id="connect.E005")
        for name in ("OPERATIONS_NETWORKS", "OUTBOUND_ALLOWED_NETWORKS")
        for network in getattr(settings, name)
        if not _is_network(network)
    ]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


@register(TAG)
def check_way_out(app_configs, **kwargs) -> list[CheckMessage]:
    return list(_way_out())


def _way_out() -> Iterator[CheckMessage]:
    proxy, bundle = settings.OUTBOUND_PROXY_URL, settings.OUTBOUND_CA_BUNDLE
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        yield Error("OUTBOUND_PROXY_URL must begin with http:// or https://.", id="connect.E006")
    if bundle and not Path(bundle).is_file():
        yield Error(f"OUTBOUND_CA_BUNDLE: there is no file {bundle!r}.", id="connect.E007")


@register(TAG)
def check_folder(app_configs, **kwargs) -> list[CheckMessage]:
    folder = settings.DATA_DIR
    there = folder if folder.exists() else folder.parent
    if there.is_dir() and os.access(there, os.W_OK):
        return []
    return [Error(f"DATA_DIR: this process may not write to {str(folder)!r}.", id="connect.E008")]


@register(TAG)
def check_figures(app_configs, **kwargs) -> list[CheckMessage]:
    wrong = [name for name in POSITIVE if getattr(settings, name) < 1]
    wrong_signs = [name for name in NOT_NEGATIVE if getattr(settings, name) < 0]
    return [
        *(Error(f"{name} must be at least 1.", id="connect.E009") for name in wrong),
        *(Error(f"{name} must be 0 or more.", id="connect.E009") for name in wrong_signs),
    ]


@register(TAG)
def check_logging(app_configs, **kwargs) -> list[CheckMessage]:
    if settings.LOG_LEVEL in logging.getLevelNamesMapping():
        return []
    return [Error(f"LOG_LEVEL: {settings.LOG_LEVEL!r} is not DEBUG, INFO, WARNING or ERROR.", id="connect.E010")]


@register(TAG, deploy=True)
def check_deployment(app_configs, **kwargs) -> list[CheckMessage]:
    """What `manage.py check --deploy` says of an installation that real patients use."""
    return [Warning(text, id=f"connect.{code}") for code, is_so, text in _deployment() if is_so]


def _deployment() -> Iterator[tuple[str, bool, str]]:
    yield (
        "W001",
        not settings.HTTPS,
        "BASE_URL is not https: portals refuse such a redirect URI, and cookies are not safe.",
    )
    yield "W002", settings.EMBEDDED, "The database is SQLite: for one laptop. Set DATABASE_URL."
    yield (
        "W003",
        not settings.EMBEDDED and not settings.REDIS_URL,
        ("REDIS_URL is not set: each host counts rates and wakes workers for itself."),
    )
    yield "W004", settings.DEMO or settings.SANDBOX_ENABLED, "The demo's pretend portals are open to everybody."
    yield (
        "W005",
        settings.OUTBOUND_ALLOW_PRIVATE or settings.OUTBOUND_ALLOW_INSECURE_HTTP,
        ("OUTBOUND_ALLOW_PRIVATE or OUTBOUND_ALLOW_INSECURE_HTTP is on: a webhook URL may reach what is inside."),
    )
    yield (
        "W006",
        settings.HTTPS and not settings.SECURE_PROXY_SSL_HEADER,
        ("BEHIND_PROXY is off though BASE_URL is https: behind a proxy that ends TLS every page redirects to itself."),
    )
    yield (
        "W007",
        bool(settings.ALERT_EMAILS) and settings.EMAIL_BACKEND.endswith(("console.EmailBackend", "dummy.EmailBackend")),
        ("ALERT_EMAILS is set, but EMAIL_URL sends no mail."),
    )
    yield (
        "W008",
        not (settings.STATIC_ROOT / "admin").is_dir() and not settings.WHITENOISE_USE_FINDERS,
        ("Static files are missing from STATIC_ROOT: run `bin/connect static`."),
    )
