"""The Kubernetes example, rendered: every queue has workers, every pod is as tight as it says. (Never applied here.)"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from connect.operations import heartbeats, metrics
from tests.packages import python_packages

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUBERNETES = "1.32"


def kubectl_can_render() -> bool:
    """Whether there is a kubectl whose kustomize knows `labels`."""
    if shutil.which("kubectl") is None:
        return False
    asked = ["kubectl", "version", "--client", "--output=json"]
    version = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)["clientVersion"]
    return (int(version["major"]), int(version["minor"].rstrip("+"))) >= (1, 21)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """`kubectl kustomize` of a copy that has a connect.env."""
    if not kubectl_can_render():
        pytest.skip("kubectl 1.21 or newer is not here; Debian 12 has 1.20, and no registry of CI's a newer one.")
    copy = tmp_path_factory.mktemp("kubernetes") / "deploy"
    shutil.copytree(FOLDER, copy)
    shutil.copy(copy / "connect.env.example", copy / "connect.env")
    made = subprocess.run(["kubectl", "kustomize", str(copy)], capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


def test_it_follows_the_schemas_of_kubernetes(rendered, tmp_path):
    """KEDA's own kind has no schema there: what we say of it is looked at below."""
    (tmp_path / "rendered.yaml").write_text(yaml.safe_dump_all(rendered))
    checked = subprocess.run(
        [sys.executable, "-m", "kubernetes_validate", "--strict", "--kubernetes-version", KUBERNETES, "rendered.yaml"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(python_packages("deploy"))},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(re.findall("passed for resource", checked.stdout + checked.stderr)) == len(
        [each for each in rendered if each["kind"] != "ScaledObject"]
    )


def of_kind(rendered, kind: str) -> dict[str, dict]:
    return {each["metadata"]["name"]: each for each in rendered if each["kind"] == kind}


def containers(workload: dict) -> list[dict]:
    spec = workload["spec"]["template"]["spec"]
    return spec["containers"] + spec.get("initContainers", [])


def test_every_queue_has_workers_of_its_own(rendered):
    served = {}
    for name, deployment in of_kind(rendered, "Deployment").items():
        for variable in containers(deployment)[0].get("env", []):
            if variable["name"] == "WORKER_QUEUES":
                served[variable["value"]] = name
    assert sorted(served) == heartbeats.queues()
    assert set(of_kind(rendered, "ScaledObject")) == set(served.values())


@pytest.mark.django_db
def test_workers_are_scaled_by_a_metric_that_exists(rendered):
    names = {family.name for family in metrics.Collector().collect()}
    for scaler in of_kind(rendered, "ScaledObject").values():
        query = scaler["spec"]["triggers"][0]["metadata"]["query"]
        metric, queue = re.search(r'(connect_\w+)\{queue="(\w+)"\}', query).groups()
        assert metric in names
        assert scaler["spec"]["scaleTargetRef"]["name"] == f"worker-{queue}"


@pytest.mark.django_db
def test_alerts_are_about_metrics_that_exist():
    names = {family.name for family in metrics.Collector().collect()}
    text = (ROOT / "deploy" / "monitoring" / "alerts.yaml").read_text()
    assert set(re.findall(r"connect_\w+", text)) <= names


def test_no_container_may_be_root_or_write_to_its_image(rendered):
    for kind in ("Deployment", "Job"):
        for name, workload in of_kind(rendered, kind).items():
            assert workload["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"], name
            for container in containers(workload):
                assert container["securityContext"]["readOnlyRootFilesystem"], name
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name


def test_new_code_waits_for_its_migrations(rendered):
    for name, deployment in of_kind(rendered, "Deployment").items():
        (waiting,) = deployment["spec"]["template"]["spec"]["initContainers"]
        assert "manage.py migrate --check" in waiting["command"][2], name


def test_the_probes_ask_a_path_that_answers(rendered, client):
    web = containers(of_kind(rendered, "Deployment")["web"])[0]
    for probe in ("readinessProbe", "livenessProbe"):
        assert client.get(web[probe]["httpGet"]["path"]).status_code == 200


def test_its_secret_sets_variables_that_exist():
    listed = set(re.findall(r"^# ?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    wanted = set(re.findall(r"^([A-Z_]+)=", (FOLDER / "connect.env.example").read_text(), re.MULTILINE))
    assert wanted - listed == set()
    assert {"DATABASE_URL", "SECRET_KEY", "SEALING_KEYS"} <= wanted


def test_queues_are_those_that_tasks_are_routed_to():
    assert {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} <= set(heartbeats.queues())
