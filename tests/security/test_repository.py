"""What is in the repository: no secret, every dependency pinned by hash, and deployment checks that find nothing."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[baprs]-[A-Za-z0-9-]{10,}"
    rb"|mb_sk_live_[A-Za-z0-9_-]{32}\b|sk_live_[A-Za-z0-9]{20,}|\"d\": ?\"[A-Za-z0-9_-]{40,}\"|AIza[0-9A-Za-z_-]{35}"
)
PHI = re.compile(rb"\b\d{3}-\d{2}-\d{4}\b")  # social security numbers
# The contract's own vector and the words that name a form, not a key.
ALLOWED = (b"mb_sk_live_xxxx",)


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in names.split(b"\0") if name]


@pytest.fixture(scope="module")
def files() -> list[tuple[Path, bytes]]:
    return [(path, path.read_bytes()) for path in tracked() if path.is_file() and path.stat().st_size < 2_000_000]


def test_no_secret_is_in_the_repository(files):
    found = [
        f"{path.relative_to(ROOT)}: {match.group()[:12]!r}…"
        for path, text in files
        for match in SECRETS.finditer(text)
        if not match.group().startswith(ALLOWED) and path != Path(__file__)
    ]
    assert found == []


def test_no_social_security_number_is_in_the_repository(files):
    found = [
        str(path.relative_to(ROOT))
        for path, text in files
        if PHI.search(text) and path.suffix in (".json", ".csv", ".md")
    ]
    assert found == []


def test_data_and_secrets_of_an_installation_are_ignored():
    for name in (".env", "var/secrets.json", "var/connect.sqlite3"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0, name


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_dependency_is_pinned_by_version_and_hash(lock):
    text = (ROOT / lock).read_text()
    packages = [part for part in re.split(r"\n(?=\S)", text) if re.match(r"[a-z0-9]", part)]
    assert len(packages) > 30
    assert [part.split()[0] for part in packages if "==" not in part.split()[0] or "--hash=sha256:" not in part] == []
    assert not re.search(r"^-i |--index-url|--extra-index-url| @ ", text, re.MULTILINE)


# What names a secret, or its hash, that somebody might send.
SENT = re.compile(r"secret|password|verifier|signature|(browser|state|token|code|key)_hash$|^(token|code|api_key|otp)$")
# Words of JSON, not secrets; and what the portal itself had sent, compared with what it sends now.
HARMLESS = {"pulls/fhir/scan.py", "portals/settling.py"}


def secrets_compared_by_equality(path: Path) -> list[str]:
    def names(node: ast.expr) -> str:
        return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""

    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq))
        and any(SENT.search(names(side)) for side in (node.left, *node.comparators))
    ]  # fmt: skip


def test_no_secret_is_compared_by_a_comparison_that_stops_at_the_first_difference():
    """`==` tells by its time how much was right: secrets are found by hash, or compared by `compare_digest`."""
    packages = ("connect", "portals", "pulls", "patientflows", "webhooks")
    modules = [path for package in packages for path in (ROOT / package).rglob("*.py")
               if not {"migrations", "sandbox", "example"} & set(path.parts)]  # fmt: skip
    assert len(modules) > 200
    found = [place for path in modules for place in secrets_compared_by_equality(path)]
    assert [place for place in found if place.partition(":")[0] not in HARMLESS] == []


def test_such_a_comparison_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    module = tmp_path / "bad.py"
    module.write_text("def is_right(row, given):\n    return row.browser_hash == given\n")
    assert secrets_compared_by_equality(module) == ["bad.py:2"]


def deployed(**more) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin", "DATABASE_URL": "postgres://connect@127.0.0.1:1/connect", "DJANGO_SETTINGS_MODULE": "connect.settings",
        "REDIS_URL": "redis://127.0.0.1:1/0", "SECRET_KEY": "x7Qp2" * 13 + "aB", "BASE_URL": "https://connect.example.org",
        "SEALING_KEYS": "0000aaaa:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "ALLOWED_HOSTS": "connect.example.org",
        **more,
    }  # fmt: skip


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip


def test_a_deployment_passes_djangos_security_checks(tmp_path):
    checks = ("check", "--deploy", "--tag", "security", "--fail-level", "WARNING")
    checked = python("manage.py", *checks, **deployed(DATA_DIR=str(tmp_path)))
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("missing", ["SECRET_KEY", "SEALING_KEYS"])
def test_outside_the_laptop_nothing_starts_without_its_secrets(tmp_path, missing):
    started = python("-c", "import connect.settings", **deployed(DATA_DIR=str(tmp_path), **{missing: ""}))
    assert started.returncode != 0
    assert "must be set" in started.stderr


def test_what_a_demo_allows_is_shut_by_default(tmp_path):
    asked = (
        "import connect.settings as s;"
        "print(s.DEBUG, s.DEMO, s.OUTBOUND_ALLOW_PRIVATE, s.OUTBOUND_ALLOW_INSECURE_HTTP, s.SANDBOX_ENABLED,"
        " s.EXAMPLE_ENABLED, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT)"
    )
    answer = python("-c", asked, **deployed(DATA_DIR=str(tmp_path)))
    assert answer.stdout.split() == ["False"] * 6 + ["True"] * 2
