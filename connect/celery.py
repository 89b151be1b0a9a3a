"""The Celery application. Tasks are doorways: an id or nothing in, one call; the work itself is rows in the database."""

import os

import structlog
from celery import Celery, signals

from connect import file_broker
from connect.checks import insist

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connect.settings")

file_broker.install()
app = Celery("connect")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_init.connect
@signals.beat_init.connect
def look_at_the_settings(**kwargs):
    insist()


@signals.setup_logging.connect
def keep_our_logging(**kwargs):
    """Django has configured logging already; Celery shall not do it again."""


@signals.before_task_publish.connect
def send_the_request_along(headers=None, **kwargs):
    """The task's log lines name the request that woke it, from task to task."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id and headers is not None:
        headers["request_id"] = request_id


@signals.task_prerun.connect
def name_the_task(task_id=None, task=None, **kwargs):
    request_id = task.request.get("request_id") or (task.request.headers or {}).get("request_id")
    named = {"request_id": request_id} if request_id else {}
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name, **named)


@signals.task_postrun.connect
def forget_the_task(**kwargs):
    structlog.contextvars.unbind_contextvars("task_id", "task", "request_id")
