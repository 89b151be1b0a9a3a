"""A directory is imported by workers: asked for, compared, looked at, and only then brought in."""

import io
from datetime import timedelta

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils import timezone

from connect.audit.models import Entry
from connect.operations import links
from connect.operations.retention import prune
from portals.directory import asked as updates
from portals.models import Directory, DirectoryUpdate, Source
from portals.tasks import update_directories
from tests.operations.test_actions import do, said

HEADER = "name,fhir_base_url,city,state,postal_code"
LIST = [f"Clinic {n},https://c{n}.example.org/r4,Dayton,OH,45402" for n in range(10)]
Status = DirectoryUpdate.Status


@pytest.fixture
def directory(db):
    return Directory.objects.create(environment="production", name="clinics")


@pytest.fixture
def compare(administrator, directory):
    """Bring a list by hand and let a worker compare it."""

    def press(lines) -> DirectoryUpdate:
        url = reverse("admin:portals_directory_compare", args=[quote(str(directory.pk))])
        file = io.BytesIO("\n".join([HEADER, *lines]).encode())
        file.name = "list.csv"
        answer = administrator.post(url, {"file": file})
        asked = DirectoryUpdate.objects.first()
        assert answer.url == links.page("portals.directoryupdate", asked.pk)
        return asked

    return press


@pytest.fixture
def worked(compare):
    def go(lines) -> DirectoryUpdate:
        asked = compare(lines)
        update_directories()
        asked.refresh_from_db()
        return asked

    return go


def page(client, asked) -> str:
    return client.get(links.page("portals.directoryupdate", asked.pk)).content.decode()


def test_the_request_only_asks(compare, administrator):
    asked = compare(LIST)
    assert (asked.status, asked.counts) == (Status.COMPARING, {})
    told = page(administrator, asked)
    assert "A worker reads the list" in told
    assert "/live/" in told
    assert Entry.objects.get(action="directory.update_asked").object_id == asked.pk


def test_what_would_change_is_shown_and_nothing_written(worked, administrator):
    asked = worked(LIST)
    assert asked.status == Status.COMPARED
    told = page(administrator, asked)
    assert "New portals (10)" in told
    assert "Clinic 3 · https://c3.example.org/r4" in told
    assert not Source.objects.exists()


def test_what_was_shown_comes_on_the_operators_word(worked, administrator):
    asked = worked(LIST)
    do(administrator, "portals.directoryupdate", "approve", asked)
    assert not Source.objects.exists()
    update_directories()
    asked.refresh_from_db()
    assert (asked.status, asked.brought, Source.objects.count()) == (Status.IMPORTED, None, 10)
    assert Entry.objects.get(action="directory.imported").actor_kind == "staff"


def test_it_may_be_dropped(worked, administrator):
    asked = worked(LIST)
    do(administrator, "portals.directoryupdate", "drop", asked)
    asked.refresh_from_db()
    assert (asked.status, asked.brought) == (Status.DROPPED, None)
    answer = do(administrator, "portals.directoryupdate", "approve", asked)
    assert "only what was compared" in said(administrator, answer)


def test_a_list_that_lost_much_needs_force(worked, administrator):
    for lines, force in ((LIST, {}), (LIST[:5], {"force": "on"})):
        asked = worked(lines)
        if force:
            assert "more than 20%" in page(administrator, asked)
            assert "more than 20%" in said(
                administrator, do(administrator, "portals.directoryupdate", "approve", asked)
            )
        do(administrator, "portals.directoryupdate", "approve", asked, **force)
        update_directories()
    assert Source.objects.filter(withdrawn_at=None).count() == 5


def test_the_same_list_again_is_over_at_once(worked, administrator):
    do(administrator, "portals.directoryupdate", "approve", worked(LIST))
    update_directories()
    asked = worked(LIST)
    assert asked.status == Status.UNCHANGED
    assert "Nothing would change" in page(administrator, asked)


def test_what_is_no_list_fails_in_words(administrator, directory, worked):
    asked = worked(['"never closed'])
    assert asked.status == Status.FAILED
    assert "CSV" in page(administrator, asked)


def test_one_is_worked_on_at_a_time_and_a_compared_one_gives_way(compare, administrator, directory):
    compare(LIST)
    url = reverse("admin:portals_directory_compare", args=[quote(str(directory.pk))])
    file = io.BytesIO(HEADER.encode())
    file.name = "list.csv"
    assert "being worked on already" in administrator.post(url, {"file": file}).content.decode()
    update_directories()
    second = compare(LIST[1:])
    assert [one.status for one in DirectoryUpdate.objects.order_by("pk")] == [Status.DROPPED, Status.COMPARING]
    assert second.brought


def test_without_file_and_url_there_is_nothing_to_compare(administrator, directory):
    url = reverse("admin:portals_directory_compare", args=[quote(str(directory.pk))])
    assert "has no URL" in administrator.post(url).content.decode()


def test_a_worker_that_died_leaves_it_to_the_next(compare, time_machine):
    asked = compare(LIST)
    assert asked.claim(timezone.now())
    assert not asked.claim(timezone.now())
    update_directories()
    asked.refresh_from_db()
    assert asked.status == Status.COMPARING
    time_machine.move_to(timezone.now() + DirectoryUpdate.LEASE)
    update_directories()
    asked.refresh_from_db()
    assert asked.status == Status.COMPARED


def test_a_list_that_kills_its_workers_is_given_up(compare, monkeypatch):
    asked = compare(LIST)
    DirectoryUpdate.objects.filter(pk=asked.pk).update(tries=DirectoryUpdate.TRIES)
    update_directories()
    asked.refresh_from_db()
    assert asked.status == Status.FAILED


def test_a_list_that_is_fetched_is_kept_until_it_is_imported(directory, httpserver, settings, administrator):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = True
    httpserver.expect_ordered_request("/list").respond_with_data("\n".join([HEADER, *LIST]), headers={"ETag": '"v1"'})
    Directory.objects.filter(pk=directory.pk).update(url=httpserver.url_for("/list"))
    directory.refresh_from_db()
    asked = updates.ask(directory=directory, by=updates.Actor("staff", "ada"))
    update_directories()
    asked.refresh_from_db()
    updates.approve(asked=asked, by=updates.Actor("staff", "ada"))
    update_directories()
    directory.refresh_from_db()
    assert (directory.etag, Source.objects.count(), len(httpserver.log)) == ('"v1"', 10, 1)


def test_old_ones_are_forgotten(worked, time_machine):
    worked(LIST)
    time_machine.move_to(timezone.now() + timedelta(days=91))
    prune()
    assert not DirectoryUpdate.objects.exists()
