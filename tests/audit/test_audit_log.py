"""The log cannot be changed, and a change made behind the database's back shows."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.utils import timezone

from connect.audit import append_only, chain, walk
from connect.audit.actions import SYSTEM, Actor, record
from connect.audit.models import ChainCheck, Entry
from connect.audit.tasks import chain as chain_task
from connect.audit.tasks import walk_on as walk_task

STAFF = Actor("staff", "ada", "2001:db8::1")


def write(count: int = 3) -> None:
    for number in range(count):
        record(
            action="connection.disconnected",
            by=STAFF,
            organization_id="org_1",
            object_id=f"conn_{number}",
            pulls=number,
        )


def faults() -> list[str]:
    return [fault.what for fault in chain.faults()]


@pytest.mark.django_db
class TestChain:
    def test_a_chained_log_is_whole(self):
        write()
        chain_task()
        assert faults() == []
        assert chain.head().position == 3

    def test_later_entries_follow_from_earlier_ones(self):
        write(1)
        chain_task()
        first = chain.head()
        write(1)
        chain_task()
        assert Entry.objects.get(position=2).previous_hash == first.hash

    def test_a_batch_takes_the_rest_along(self, monkeypatch):
        monkeypatch.setattr(chain, "BATCH", 2)
        write(5)
        assert chain.chain_all() == 5

    def test_chaining_again_changes_nothing(self):
        write()
        chain_task()
        before = chain.head()
        chain_task()
        assert chain.head() == before

    @pytest.mark.parametrize(
        "change",
        [
            {"actor": "eve"},
            {"detail": {"pulls": 7}},
            {"at": timezone.now() + timedelta(hours=1)},
            {"object_id": "conn_9"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_a_changed_fact_shows(self, change):
        write()
        chain_task()
        Entry.objects.filter(position=2).update(**change)
        assert faults() == ["it was changed after it was chained"]

    def test_a_deleted_entry_shows(self):
        write()
        chain_task()
        Entry.objects.filter(position=2).delete()
        assert faults() == ["entries 2 to 2 are gone"]

    def test_a_chain_cut_off_at_its_end_shows_against_a_witness(self):
        write()
        chain_task()
        witness = chain.head()
        Entry.objects.filter(position=3).delete()
        assert faults() == []
        assert [f.what for f in chain.faults(witnessed=witness)] == ["the chain ends at 2: later entries were cut off"]

    def test_a_chain_written_anew_shows_against_a_witness(self):
        write()
        chain_task()
        witness = chain.head()
        Entry.objects.update(position=None, previous_hash="", hash="", actor="eve")
        chain_task()
        assert faults() == []
        assert len(list(chain.faults(witnessed=witness))) == 1

    def test_entries_left_unchained_show(self):
        Entry.objects.create(action="a.b", actor_kind="system", at=timezone.now() - timedelta(minutes=11))
        assert "wait to be chained" in faults()[0]


@pytest.mark.django_db
class TestWalk:
    """The whole chain is walked once a day, a stretch at a time."""

    @pytest.fixture(autouse=True)
    def short_stretches(self, monkeypatch):
        monkeypatch.setattr(walk, "STRETCH", 2)

    def test_it_comes_to_the_end_and_rests_a_day(self, time_machine):
        write(5)
        chain_task()
        for _ in range(3):
            walk_task()
        standing = walk.standing()
        assert (standing.entries, standing.faults, standing.position) == (5, [], 0)
        assert standing.due_at == standing.ended_at + timedelta(days=1)
        walk_task()
        assert walk.standing().position == 0
        time_machine.move_to(standing.due_at)
        walk_task()
        assert walk.standing().position == 2

    def test_what_it_finds_stays_until_a_whole_walk_finds_nothing(self):
        write(5)
        chain_task()
        Entry.objects.filter(position=2).update(actor="eve")
        walk_task()
        fault = {"position": 2, "what": "it was changed after it was chained"}
        assert walk.standing().faults == [fault]
        Entry.objects.filter(position=2).update(actor="ada")
        for _ in range(2):
            walk_task()
            assert walk.standing().faults == [fault]
        ChainCheck.objects.update(due_at=timezone.now())
        for _ in range(3):
            walk_task()
        assert walk.standing().faults == []

    def test_a_gap_between_two_stretches_shows(self):
        write(5)
        chain_task()
        Entry.objects.filter(position=3).delete()
        walk_task()
        walk_task()
        assert walk.standing().faults[0]["what"] == "entries 3 to 3 are gone"

    def test_a_stretch_that_another_worker_was_quicker_with_is_not_written(self):
        write(5)
        chain_task()
        mine = walk.standing()
        walk_task()
        assert not mine.step(position=99)
        assert walk.standing().position == 2


class TestAppendOnly:
    def test_the_database_refuses_to_delete(self, append_only_log):
        write(1)
        with pytest.raises(DatabaseError, match=append_only.REFUSAL), transaction.atomic():
            Entry.objects.all().delete()
        assert Entry.objects.count() == 1

    def test_the_database_refuses_to_change_a_fact_before_it_is_chained(self, append_only_log):
        write(1)
        with pytest.raises(DatabaseError, match=append_only.REFUSAL), transaction.atomic():
            Entry.objects.update(actor="eve")
        with pytest.raises(DatabaseError, match=append_only.REFUSAL), transaction.atomic():
            Entry.objects.update(actor="eve", position=1)

    def test_the_database_refuses_to_change_a_chained_entry(self, append_only_log):
        write(1)
        chain_task()
        with pytest.raises(DatabaseError, match=append_only.REFUSAL), transaction.atomic():
            Entry.objects.update(position=None)
        assert faults() == []

    def test_chaining_is_let_through(self, append_only_log):
        write(2)
        assert chain.chain_all() == 2

    def test_the_database_refuses_truncation(self, append_only_log):
        if append_only_log.vendor != "postgresql":
            return  # SQLite has no TRUNCATE
        write(1)
        with pytest.raises(DatabaseError, match=append_only.REFUSAL), transaction.atomic():
            append_only_log.cursor().execute("TRUNCATE audit_entry")


@pytest.mark.django_db
class TestCommand:
    def test_verify_says_that_the_log_is_whole(self, capsys):
        write(2)
        chain_task()
        call_command("audit", "verify")
        assert "whole: 2 entries" in capsys.readouterr().out

    def test_verify_fails_and_names_the_place(self, capsys):
        write(2)
        chain_task()
        Entry.objects.filter(position=1).update(action="nothing.happened")
        with pytest.raises(CommandError):
            call_command("audit", "verify")
        assert "position 1" in capsys.readouterr().err

    def test_verify_takes_a_witness(self):
        write(1)
        chain_task()
        head = chain.head()
        call_command("audit", "verify", f"--witness={head.position}:{head.hash}")
        with pytest.raises(CommandError):
            call_command("audit", "verify", f"--witness={head.position}:{'0' * 64}")

    def test_export_as_json_holds_every_fact(self, capsys):
        write(2)
        call_command("audit", "export", "--format", "json")
        told = json.loads(capsys.readouterr().out)
        assert [entry["object_id"] for entry in told] == ["conn_0", "conn_1"]
        assert told[1]["address"] == "2001:db8::1"
        assert told[1]["detail"] == {"pulls": 1}

    def test_export_of_an_empty_log_is_an_empty_array(self, capsys):
        call_command("audit", "export", "--format", "json")
        assert json.loads(capsys.readouterr().out) == []

    def test_export_as_csv_disarms_formulas(self, capsys):
        record(action="key.made", by=Actor("staff", "=HYPERLINK(1)"))
        call_command("audit", "export")
        (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
        assert row["actor"] == "'=HYPERLINK(1)"

    def test_export_can_be_narrowed_to_an_organisation(self, capsys):
        write(1)
        record(action="key.made", by=SYSTEM, organization_id="org_2")
        call_command("audit", "export", "--format=json", "--organization=org_2")
        assert [entry["action"] for entry in json.loads(capsys.readouterr().out)] == ["key.made"]
