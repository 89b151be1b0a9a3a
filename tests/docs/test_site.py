"""The documentation site: it builds without a warning, stands alone, and is served with a policy of its own."""

import re
import subprocess
import sys

import pytest

from connect.docs.printed import ROOT

ELSEWHERE = re.compile(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?(https?:)?//""")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The site as `make docs` builds it: `--strict` makes a broken link or a missing snippet an error."""
    folder = tmp_path_factory.mktemp("site")
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture
def served(built, settings):
    settings.DOCS_ROOT = built


def test_nothing_is_fetched_from_elsewhere(built):
    pages = list(built.rglob("*.html"))
    assert len(pages) > 20
    assert [page for page in pages if ELSEWHERE.search(page.read_text())] == []


def test_pages_are_served_below_docs(client, served):
    for path, said in (("/docs/", "Connect"), ("/docs/quickstart/", "Make a flow"), ("/docs/go-live/epic/", "Epic")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert said in answer.content.decode()


def test_the_policy_names_the_pages_own_scripts_and_no_others(client, served):
    answer = client.get("/docs/quickstart/")
    policy = answer.headers["Content-Security-Policy"]
    scripts = re.search(r"script-src ([^;]+)", policy)[1]
    assert "'sha256-" in scripts
    assert "unsafe" not in scripts


def test_styles_and_scripts_are_served_by_their_type(client, served, built):
    sheet = next(built.rglob("main.*.min.css")).relative_to(built)
    answer = client.get(f"/docs/{sheet}")
    assert answer.headers["Content-Type"] == "text/css"


def test_a_folder_without_its_slash_is_sent_to_it(client, served):
    assert client.get("/docs/quickstart").headers["Location"] == "/docs/quickstart/"


@pytest.mark.parametrize("path", ["nothing", "../connect/settings.py", "%2e%2e/manage.py", "/etc/passwd"])
def test_nothing_else_is_served(client, served, path):
    assert client.get(f"/docs/{path}").status_code in (400, 404)


@pytest.mark.django_db
def test_the_servers_own_pages_stay_where_they_are(client, served):
    assert client.get("/docs/api/").status_code == 200
    assert client.get("/docs/errors/").status_code == 200
    assert client.get("/docs/errors/throttled").status_code == 200


def test_not_built_it_says_how(client, settings, tmp_path):
    settings.DOCS_ROOT = tmp_path
    answer = client.get("/docs/")
    assert answer.status_code == 404
    assert "make docs" in answer.content.decode()
