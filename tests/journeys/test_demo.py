"""`make demo` as a user meets it: quick, secret where it must be, gone when it is stopped."""

import os
import signal
import stat
import subprocess
import sys

import psutil
import pytest
import requests

from tests.journeys.stack import ROOT, Stack, free_port, wait_until


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demo of its own, to be stopped and started."""
    running = Stack(tmp_path_factory.mktemp("demo"))
    running.start()
    yield running
    running.stop()


def test_its_file_says_all_that_is_needed_and_only_its_owner_can_read_it(demo):
    assert sorted(demo.access) == [
        "admin_password", "admin_url", "admin_user", "api_key", "base_url", "example_app_url", "webhook_secret",
    ]  # fmt: skip
    assert stat.S_IMODE((demo.folder / "demo.json").stat().st_mode) == 0o600
    assert demo.access["base_url"] == demo.base_url


def test_everything_it_names_answers(demo):
    assert demo.call("GET", "/patients")["resource_type"] == "list"
    assert requests.get(demo.access["example_app_url"], timeout=10).status_code == 200
    assert requests.get(demo.access["admin_url"], timeout=10).status_code == 200
    assert requests.get(f"{demo.base_url}/sandbox/", timeout=10).status_code == 200


def test_its_catalogue_is_large_enough_for_search_to_be_real(demo):
    found = demo.call("GET", "/connections", q="saint mary hospitl", limit=5)["data"]
    assert found
    assert "Mary" in found[0]["name"]


def test_the_administrator_can_sign_in(demo):
    session = requests.Session()
    page = session.get(f"{demo.access['admin_url']}login/", timeout=10)
    form = {
        "username": demo.access["admin_user"], "password": demo.access["admin_password"], "next": "/admin/",
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }  # fmt: skip
    answer = session.post(page.url, data=form, headers={"Referer": page.url}, timeout=20)
    assert answer.status_code == 200
    assert "/login" not in answer.url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_leaves_no_process_and_no_file_of_a_running_process(demo, number):
    family = demo.family()
    assert len(family) >= 4
    assert demo.stop(number) == 0
    assert [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    assert list(demo.folder.rglob("*.pid")) == []
    assert list((demo.folder / "beat").iterdir()) == []
    demo.start()


def test_a_second_start_is_quick_and_goes_on_with_the_data_under_the_same_key(demo):
    demo.call("POST", "/patients", {"patient_id": "kept", "name": "Kept Person"})
    before = demo.access
    demo.stop()
    seconds = demo.start()
    assert demo.call("GET", "/patients/kept")["name"] == "Kept Person"
    assert demo.access["api_key"] == before["api_key"]
    assert demo.access["webhook_secret"] == before["webhook_secret"]
    assert demo.access["admin_password"] != before["admin_password"]
    assert seconds < 30  # 10 s on an idle machine


def test_killed_with_9_the_supervisor_leaves_no_orphans(demo):
    left = demo.kill_supervisor()
    wait_until(
        lambda: not [each for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE], seconds=15
    )
    demo.start()


def test_a_child_that_dies_is_started_again(demo):
    worker = next(each for each in demo.family() if "celery" in " ".join(each.cmdline()) and "worker" in each.cmdline())
    worker.kill()
    wait_until(lambda: any("worker" in each.cmdline() and each.pid != worker.pid for each in demo.family()), seconds=20)


def refused(environment: dict) -> str:
    """What the demo says when it cannot start."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    return ended.stderr.strip()


def test_a_second_demo_on_the_same_data_is_refused_in_one_line(demo):
    said = refused({**demo.environment, "PORT": str(free_port())})
    assert said.count("\n") == 0
    assert "Another demo is using" in said


def test_a_busy_port_is_one_clear_line(demo):
    ended = subprocess.run(
        ["bin/python-for-connect", "--port", str(demo.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().startswith(f"Port {demo.port} is in use.")
    assert ended.stderr.strip().count("\n") == 0


def test_a_wrong_python_is_one_clear_line(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    for name in ("python3.13", "python3.12", "python3.11"):
        os.symlink(old, tmp_path / name)
    ended = subprocess.run(
        [str(ROOT / "bin" / "python-for-connect")], capture_output=True, text=True, timeout=30, check=False,
        env={"PATH": str(tmp_path), "PYTHON": str(old)},
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.strip().startswith("Connect needs Python 3.11 or newer; found: Python 3.9.2")
