"""Exports to a folder: what is in the files, when a run is made, how it goes on, and what an erasure leaves."""

import hashlib
import json
from datetime import timedelta

import pytest
import time_machine

from connect.audit.models import Entry
from pulls.exports.models import Destination, Erasure, Export, Span
from pulls.exports.run import ExportRun, run_export
from pulls.exports.stores import FolderStore, StoreUnavailable
from tests.factories import make_endpoint
from tests.pulls.conftest import make_patient
from tests.pulls.exports.conftest import read_run
from tests.pulls.scripted import fhir, observation
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def ids_of(lines: list[dict]) -> list[str]:
    return [line["id"] for line in lines]


def test_a_new_destination_gets_everything(exports_dir, add_folder, pulled, export):
    pulled("a", "b")
    destination = add_folder()
    run = export()
    assert (run.status, run.trigger, run.resources, run.errors) == ("completed", "added", 3, 0)
    assert run.folder == f"{destination['id']}/{run.created_at:%Y-%m-%d}/{run.pk}"
    files = read_run(exports_dir / "lake", run)
    assert ids_of(files["Observation-1.ndjson.gz"]) == ["o-0", "o-1"]
    ours = {"system": "urn:medblocks:patient-id", "value": "p-1"}
    assert [each["identifier"] for each in files["Patient-1.ndjson.gz"]] == [[ours]]


def test_the_manifest_comes_last_and_vouches_for_the_files(exports_dir, add_folder, pulled, export):
    pulled("a", "b")
    add_folder(compress=False)
    run = export()
    folder = exports_dir / "lake" / run.folder
    body = (folder / "manifest.json").read_bytes()
    assert hashlib.sha256(body).hexdigest() == run.manifest_sha256
    listed = {each["path"]: each for each in json.loads(body)["files"]}
    assert listed.keys() == {"Observation-1.ndjson", "Patient-1.ndjson"}
    for name, each in listed.items():
        held = (folder / name).read_bytes()
        assert (hashlib.sha256(held).hexdigest(), len(held)) == (each["sha256"], each["bytes"])
        assert held.count(b"\n") == each["resources"]


def test_after_a_pull_only_changes_go(exports_dir, add_folder, pulled, export):
    connection = pulled("a", "b")
    add_folder()
    export()
    pulled("a", "changed", "new", connection=connection)
    run = export()
    assert (run.trigger, run.resources) == ("pull", 2)
    assert ids_of(read_run(exports_dir / "lake", run)["Observation-1.ndjson.gz"]) == ["o-1", "o-2"]


def test_a_pull_that_brought_nothing_starts_no_export(add_folder, pulled, export):
    connection = pulled("a")
    add_folder()
    export()
    pulled("a", connection=connection)
    assert Export.objects.count() == 1


def test_what_is_gone_is_told_as_a_deletion(exports_dir, add_folder, pulled, export):
    connection = pulled("a", "b")
    add_folder()
    export()
    pulled("a", connection=connection)
    run = export()
    assert (run.resources, run.gone) == (0, 1)
    (line,) = read_run(exports_dir / "lake", run)["deleted-1.ndjson.gz"]
    assert line["entry"] == [{"request": {"method": "DELETE", "url": "Observation/o-1"}}]


def test_enabled_again_it_catches_up_from_where_it_was(api, exports_dir, add_folder, pulled, export):
    connection = pulled("a")
    path = f"/export-destinations/{add_folder()['id']}"
    export()
    api.change(path, {"enabled": False})
    pulled("a", "b", connection=connection)
    assert Export.objects.count() == 1
    api.change(path, {"enabled": True})
    run = export()
    assert (run.trigger, run.resources) == ("enabled", 1)


def test_by_hand_everything_can_be_had_again(api, exports_dir, add_folder, pulled, export):
    pulled("a", "b")
    destination = add_folder()
    export()
    body = {"destination_id": destination["id"], "mode": "all"}
    started = api.create("/exports", body).json()
    assert (started["status"], started["trigger"], started["mode"]) == ("queued", "manual", "all")
    assert api.create("/exports", body).status_code == 409
    assert export().resources == 3
    assert api.get(f"/exports/{started['id']}").json()["status"] == "completed"


def test_what_lands_while_a_run_is_open_is_taken_by_the_next(add_folder, pulled, export):
    connection = pulled("a")
    add_folder()
    assert Export.objects.get().status == "queued"
    pulled("a", "b", connection=connection)
    assert Export.objects.count() == 1
    export()
    follower = Export.objects.exclude(status="completed").get()
    assert follower.trigger == "added"
    export()
    assert sum(Export.objects.values_list("resources", flat=True)) == 3


def test_loads_are_bounded_and_numbered(monkeypatch, exports_dir, add_folder, pulled, export):
    monkeypatch.setattr("pulls.exports.writers.LOAD_BYTES", 250)
    pulled(*"abcdefg")
    add_folder()
    run = export()
    files = read_run(exports_dir / "lake", run)
    names = [name for name in files if name.startswith("Observation")]
    assert len(names) > 2
    assert sorted(id_ for name in names for id_ in ids_of(files[name])) == [f"o-{n}" for n in range(7)]


@pytest.mark.parametrize("mode", ["changes", "all"])
def test_a_worker_that_dies_repeats_one_load_under_the_same_names(
    api, monkeypatch, exports_dir, add_folder, pulled, export, mode
):
    monkeypatch.setattr("pulls.exports.writers.LOAD_BYTES", 250)
    pulled(*"abcdefg")
    destination = add_folder()
    if mode == "all":
        export()
        api.create("/exports", {"destination_id": destination["id"], "mode": "all"})
    put, count = FolderStore.put, iter(range(100))

    def dies(store, *args, **kwargs):
        put(store, *args, **kwargs)
        if next(count) == 2:
            raise SystemExit

    run = Export.objects.first()
    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "put", dies)
        with pytest.raises(SystemExit):
            run_export(run.pk)
    run_export(run.pk)
    assert Export.objects.get(pk=run.pk).status == "running"
    with time_machine.travel(Export.objects.get(pk=run.pk).leased_until + timedelta(seconds=1)):
        run_export(run.pk)
    run.refresh_from_db()
    assert (run.status, run.resources) == ("completed", 8)
    files = read_run(exports_dir / "lake", run)
    assert sorted(id_ for lines in files.values() for id_ in ids_of(lines)) == sorted(
        [f"o-{n}" for n in range(7)] + ["pat-1"]
    )


def test_a_destination_that_is_away_is_waited_for_and_then_given_up(monkeypatch, tenant, add_folder, pulled, receiver):
    make_endpoint(tenant, receiver)
    pulled("a")
    add_folder()
    run = Export.objects.get()
    with time_machine.travel(run.created_at) as clock:
        with monkeypatch.context() as patch:

            def is_away(*args, **kwargs):
                raise StoreUnavailable("disk_fault")

            patch.setattr(FolderStore, "put", is_away)
            for _ in range(40):
                run_export(run.pk)
                run.refresh_from_db()
                if not run.is_open:
                    break
                assert (run.status, run.waiting_for) == ("waiting", "disk_fault")
                clock.move_to(run.due_at + timedelta(seconds=1))
        assert (run.status, run.error) == ("failed", "disk_fault")
        assert run.finished_at - run.started_at >= timedelta(hours=24)
    event = Event.objects.get(type="export.failed")
    assert event.data["object"]["error"] == "disk_fault"


def test_a_completed_run_is_told(tenant, add_folder, pulled, export, receiver):
    make_endpoint(tenant, receiver)
    pulled("a")
    destination = add_folder()
    run = export()
    told = Event.objects.get(type="export.completed").data["object"]
    assert (told["id"], told["destination_id"], told["resources"]) == (run.pk, destination["id"], 2)
    assert told["manifest_sha256"] == run.manifest_sha256


def test_an_erased_patient_leaves_no_line(
    api, tenant, connected, portal, exports_dir, add_folder, pulled, pull, export
):
    portal.on("/fhir/Patient/pat-2", fhir({"resourceType": "Patient", "id": "pat-2"}))
    pulled("of the first")
    portal.holds("Observation", observation("of-the-second", patient="pat-2"))
    pull(connected(patient=make_patient(tenant, "p-2"), fhir_patient="pat-2"))
    add_folder()
    run = export()
    before = read_run(exports_dir / "lake", run)
    assert len(before["Observation-1.ndjson.gz"]) == 2

    assert api.delete("/patients/p-1").status_code == 200
    export()
    after = read_run(exports_dir / "lake", run)
    assert {name: ids_of(lines) for name, lines in after.items()} == {
        "Observation-1.ndjson.gz": ["of-the-second"],
        "Patient-1.ndjson.gz": ["pat-2"],
    }
    manifest = (exports_dir / "lake" / run.folder / "manifest.json").read_bytes()
    run.refresh_from_db()
    assert hashlib.sha256(manifest).hexdigest() == run.manifest_sha256
    assert [each["resources"] for each in json.loads(manifest)["files"]] == [1, 1]
    assert not Erasure.objects.exists()
    assert Entry.objects.get(action="exports.erased").detail["files"] == 2
    assert all(b"of the first" not in path.read_bytes() for path in exports_dir.rglob("*") if path.is_file())


@pytest.mark.parametrize("moment", ["before the rename", "after the rename"])
def test_an_erasure_that_was_killed_is_finished(api, monkeypatch, exports_dir, add_folder, pulled, export, moment):
    pulled("of the first")
    add_folder(compress=False)
    run = export()
    api.delete("/patients/p-1")
    with monkeypatch.context() as patch:
        if moment == "before the rename":
            patch.setattr("pathlib.Path.replace", _dies)
        else:
            patch.setattr("pulls.exports.erase._note", _dies)
        with pytest.raises(SystemExit):
            export()
    export()
    assert read_run(exports_dir / "lake", run) == {"Observation-1.ndjson": [], "Patient-1.ndjson": []}
    assert not Span.objects.exists()
    assert [path.name for path in (exports_dir / "lake" / run.folder).iterdir() if path.name.startswith(".")] == []


def test_what_a_killed_worker_left_beside_a_file_is_gone_with_the_next_that_writes_it(
    api, exports_dir, add_folder, pulled, export
):
    """kill -9 between writing and renaming: no `finally` runs, and the draft holds records."""
    pulled("of the first")
    add_folder(compress=False)
    run = export()
    folder = exports_dir / "lake" / run.folder
    drafts = [folder / f".{name}.0badc0de" for name in ("Observation-1.ndjson", "Patient-1.ndjson", "manifest.json")]
    for draft in drafts:
        draft.write_bytes(b"of the first")
    api.delete("/patients/p-1")
    export()
    assert [draft.name for draft in drafts if draft.exists()] == []


def _dies(*args, **kwargs):
    raise SystemExit


def test_somebody_erased_while_their_load_is_on_its_way_is_taken_out_of_it(
    api, monkeypatch, exports_dir, add_folder, pulled, export
):
    pulled("of the first")
    add_folder()
    commit = ExportRun.commit

    def erase_first(run, done):
        monkeypatch.setattr(ExportRun, "commit", commit)
        api.delete("/patients/p-1")
        commit(run, done)

    monkeypatch.setattr(ExportRun, "commit", erase_first)
    run = export()
    assert (run.status, run.resources) == ("completed", 0)
    assert read_run(exports_dir / "lake", run) == {}


def test_a_run_that_another_worker_took_over_writes_nothing_more(monkeypatch, add_folder, pulled, export):
    pulled("a")
    add_folder()
    run = Export.objects.get()
    put = FolderStore.put

    def slow(store, *args, **kwargs):
        put(store, *args, **kwargs)
        monkeypatch.setattr(FolderStore, "put", put)
        with time_machine.travel(Export.objects.get().leased_until + Export.LEASE, tick=False):
            run_export(run.pk)

    monkeypatch.setattr(FolderStore, "put", slow)
    run_export(run.pk)
    run.refresh_from_db()
    assert (run.status, run.resources) == ("completed", 2)
    assert Destination.objects.get().marks.get().position == 2


@pytest.mark.parametrize(
    ("where", "param"),
    [
        ({"folder": "../elsewhere"}, "settings.folder"),
        ({"folder": "/etc"}, "settings.folder"),
        ({"folder": "lake", "bucket": "b"}, "settings.bucket"),
        ({}, "settings.folder"),
    ],
)
def test_folders_elsewhere_are_refused(api, where, param):
    answer = api.create("/export-destinations", {"name": "n", "kind": "folder", "settings": where})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert not Destination.objects.exists()


def test_others_destinations_and_runs_are_not_found(stranger, production, add_folder, pulled, export):
    pulled("a")
    destination = add_folder()
    run = export()
    for other in (stranger, production):
        assert other.get(f"/export-destinations/{destination['id']}").status_code == 404
        assert other.get(f"/exports/{run.pk}").status_code == 404
        assert other.get("/exports").json()["data"] == []
        assert other.create("/exports", {"destination_id": destination["id"]}).status_code == 404
