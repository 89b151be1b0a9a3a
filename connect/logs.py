"""Log lines: one event a line with request or task id; names and numbers, never bodies, tokens or PHI."""

import logging
import logging.config
import re

import structlog

# Talkative below WARNING; some of them about paths, forms and tokens, whatever level is asked for.
QUIET = (
    "django.request", "django.security.DisallowedHost", "django.template", "django.db.backends", "urllib3", "kombu",
    "celery.redirected", "axes", "oauthlib", "requests_oauthlib", "boto3", "botocore", "s3transfer",
)  # fmt: skip


LINK_TOKENS = re.compile(r"/(c|my)/[A-Za-z0-9_-]{16,}")


def without_link_tokens(logger, method, event: dict) -> dict:
    """Django names the path of what it refuses; the path of a patient's link is the key to it."""
    return {key: LINK_TOKENS.sub(r"/\1/…", value) if isinstance(value, str) else value for key, value in event.items()}


def is_no_pretence(record: logging.LogRecord) -> bool:
    """Pretend portals refuse on purpose, all day; only their own faults are worth a line."""
    request = getattr(record, "request", None)
    return record.levelno >= logging.ERROR or not (request and request.path.startswith("/sandbox/"))


def configure(options: dict) -> None:
    """Django's LOGGING_CONFIG hook. `options`: `level`, and `json` (True for machines, False for a terminal)."""
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_link_tokens,
    ]
    renderer = structlog.processors.JSONRenderer() if options["json"] else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.root.handlers = [handler]
    logging.root.setLevel(options["level"])
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("django.request").addFilter(is_no_pretence)
