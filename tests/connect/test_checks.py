"""Settings that are wrong are explained, where an operator looks: at the start, and by `manage.py check`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from connect import checks
from connect.environment import Env

ROOT = Path(__file__).resolve().parents[2]
KEY = "0000aaaa:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="


def said(**options) -> list[str]:
    return [message.msg for message in run_checks(tags=[checks.TAG], **options)]


def test_the_suites_own_settings_are_in_order():
    assert said() == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("BASE_URL", "connect.example.org", "BASE_URL must be https://host"),
        ("BASE_URL", "https://connect.example.org/api", "BASE_URL must be https://host"),
        ("BASE_URL", "https://elsewhere.example.org", "ALLOWED_HOSTS lacks 'elsewhere.example.org'"),
        ("SEALING_KEYS", [KEY, "0000bbbb:short"], "SEALING_KEYS: number 2 is not"),
        ("SEALING_KEYS", ["not a key"], "SEALING_KEYS: number 1 is not"),
        ("SEALING_KEYS", [KEY, KEY], "two keys have the same id"),
        ("OPERATIONS_NETWORKS", ["10.0.0.0/8", "inside"], "'inside' is not a network"),
        ("OUTBOUND_ALLOWED_NETWORKS", ["10.0.0.1/8"], "'10.0.0.1/8' is not a network"),
        ("OUTBOUND_PROXY_URL", "socks5://proxy", "OUTBOUND_PROXY_URL must begin with"),
        ("OUTBOUND_CA_BUNDLE", "/nowhere.pem", "there is no file '/nowhere.pem'"),
        ("WEBHOOK_THREADS", 0, "WEBHOOK_THREADS must be at least 1"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL: 'LOUD' is not"),
        ("DATA_DIR", Path(__file__) / "data", "may not write to"),
    ],
)
def test_a_wrong_value_is_explained(settings, name, value, words):
    setattr(settings, name, value)
    assert [message for message in said() if words in message]


def test_a_sealing_key_is_never_shown(settings):
    settings.SEALING_KEYS = ["0000bbbb:c2VjcmV0LXRoYXQtaXMtdG9vLXNob3J0"]
    assert "c2VjcmV0" not in "".join(said())


def test_a_laptop_is_not_a_deployment(settings):
    warned = "".join(said(include_deployment_checks=True))
    assert "BASE_URL is not https" in warned
    assert "pretend portals are open" in warned


def test_a_figure_that_is_none_names_its_variable(monkeypatch):
    monkeypatch.setitem(os.environ, "WEBHOOK_THREADS", "many")
    with pytest.raises(ImproperlyConfigured, match="WEBHOOK_THREADS must be a whole number, not 'many'"):
        Env().int("WEBHOOK_THREADS")


DEPLOYED = {
    "PATH": "/usr/bin:/bin", "DATABASE_URL": "postgres://connect@127.0.0.1:1/connect", "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "x7Qp2" * 13 + "aB", "SEALING_KEYS": KEY, "BASE_URL": "https://connect.example.org",
    "ALLOWED_HOSTS": "connect.example.org,127.0.0.1", "BEHIND_PROXY": "true", "PYTHONWARNINGS": "ignore",
}  # fmt: skip


def run(*command: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, cwd=ROOT, env=DEPLOYED | environment, capture_output=True, text=True, timeout=90, check=False
    )


def test_a_deployment_by_the_book_is_clean(tmp_path):
    (tmp_path / "static" / "admin").mkdir(parents=True)
    checked = run(sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING", DATA_DIR=str(tmp_path))
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import connect.wsgi"),
        ("-m", "celery", "-A", "connect", "worker", "--pool", "solo"),
        ("-m", "celery", "-A", "connect", "beat"),
    ],
)
def test_no_process_starts_with_a_wrong_setting(tmp_path, command):
    started = run(
        sys.executable, *command, DATA_DIR=str(tmp_path), BASE_URL="https://elsewhere.example.org",
        DJANGO_SETTINGS_MODULE="connect.settings",
    )  # fmt: skip
    assert started.returncode != 0
    assert "ALLOWED_HOSTS lacks 'elsewhere.example.org'" in started.stderr
    assert "Traceback" not in started.stderr
