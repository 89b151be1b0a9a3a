"""The overview's numbers agree with the rows behind them, whoever counted them: tallies or the rows themselves."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from connect.operations.measures import Measure
from connect.operations.models import ClosedHour, Heartbeat, Tally
from connect.operations.overview.charts import Chart, Series, numbers
from connect.operations.overview.choices import WINDOWS, Choice
from connect.operations.overview.figures import Figures
from connect.operations.tallies import Only, Period, Scope, close_hours
from patientflows.models import Step
from portals.models import Connection
from tests.operations.world import make_staff, make_world, signed_in

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
def history(db, time_machine):
    """Two organisations' stories, three days ago and ten minutes ago."""
    worlds = {}
    for name, age in (("Trials Inc", timedelta(days=3)), ("Other", timedelta(minutes=10))):
        time_machine.move_to(NOW - age, tick=False)
        worlds[name] = make_world(name)
    time_machine.move_to(NOW, tick=False)
    return worlds


def close_everything():
    while close_hours():
        pass


def totals(**scope) -> dict:
    period = Period(NOW.replace(hour=0, minute=0) - timedelta(days=29), NOW, Scope(**scope), by_day=True)
    return {key: total.count for key, total in period.totals().items() if total.count}


class TestTallies:
    def test_tallies_say_the_same_as_the_rows(self, history):
        by_rows = totals()
        close_everything()
        assert ClosedHour.objects.exists()
        assert totals() == by_rows
        assert by_rows[Measure.FLOW_CREATED, ""] == 2
        assert by_rows[Measure.STEP, Step.Kind.CONNECTED] == 2
        assert by_rows[Measure.PULL, "partial"] == 2

    @pytest.mark.parametrize("narrowed", ["organization", "source", "both", "environment"])
    def test_so_they_do_within_a_scope(self, narrowed, history):
        world = history["Trials Inc"]
        scope = {
            "organization": {"organizations": frozenset([world.organization.pk])},
            "source": {"source_id": world.source.pk},
            "both": {"organizations": frozenset([world.organization.pk]), "source_id": world.source.pk},
            "environment": {"environment": "production"},
        }[narrowed]
        by_rows = totals(**scope)
        close_everything()
        assert totals(**scope) == by_rows
        assert by_rows.get((Measure.STEP, Step.Kind.CONNECTED), 0) == (0 if narrowed == "environment" else 1)

    @pytest.mark.parametrize("column", ["at", "source_id", "organization_id", "environment"])
    def test_so_they_do_by_any_column(self, column, history):
        period = {
            "since": NOW.replace(hour=0, minute=0) - timedelta(days=29),
            "until": NOW,
            "scope": Scope(),
            "by_day": True,
        }
        by_rows = {key: total for key, total in Period(**period).totals(column).items() if total.count}
        close_everything()
        assert {key: total for key, total in Period(**period).totals(column).items() if total.count} == by_rows

    @pytest.mark.parametrize("column", ["source_id", "organization_id"])
    def test_so_they_do_by_whole_days_where_nobody_asks_for_hours(self, column, history):
        period = {"since": NOW - timedelta(days=7), "until": NOW, "scope": Scope()}
        by_rows = {key: total for key, total in Period(**period).totals(column).items() if total.count}
        close_everything()
        Tally.objects.filter(grain="hour", at__lt=NOW - timedelta(days=1)).delete()
        assert {key: total for key, total in Period(**period).totals(column).items() if total.count} == by_rows

    def test_so_they_do_of_some_outcomes_at_some_sources(self, history):
        world = history["Trials Inc"]
        period = {"since": NOW - timedelta(days=7), "until": NOW, "scope": Scope()}
        only = Only(((Measure.STEP, Step.Kind.CONNECTED), (Measure.PULL, None)), (world.source.pk,))
        for _ in range(2):
            counts = {key: total.count for key, total in Period(**period).totals("source_id", only=only).items()}
            assert counts == {
                (Measure.STEP, Step.Kind.CONNECTED, world.source.pk): 1, (Measure.PULL, "partial", world.source.pk): 1,
            }  # fmt: skip
            close_everything()

    def test_an_hour_is_closed_once(self, history):
        close_everything()
        before = Tally.objects.count()
        close_everything()
        assert Tally.objects.count() == before

    def test_an_hour_that_may_still_get_rows_is_not_closed(self, history, time_machine):
        close_everything()
        assert ClosedHour.objects.order_by("-at").first().at == NOW.replace(hour=11, minute=0)
        time_machine.move_to(NOW.replace(hour=13, minute=4), tick=False)
        assert close_hours() == 0
        time_machine.move_to(NOW.replace(hour=13, minute=5), tick=False)
        assert close_hours() == 1


class TestFigures:
    def figures(self, query: str = "window=7d", user=None):
        request = type("Request", (), {"GET": dict(pair.split("=") for pair in query.split("&") if pair)})()
        request.user = user or make_staff("viewer", everywhere=True)
        return Figures(Choice.of(request), NOW)

    def test_the_funnel_tells_what_was_lost_at_each_step(self, history):
        Step.objects.filter(flow=history["Trials Inc"].flow, kind=Step.Kind.SEARCHED).delete()
        steps = {step.name: (step.count, step.lost_percent) for step in self.figures().funnel()}
        assert steps["Opened"] == (2, None)
        assert steps["Searched"] == (1, 50)
        assert steps["Connected"] == (2, 0)

    def test_portals_that_do_badly_come_worst_first(self, history):
        worlds, just_now = list(history.values()), NOW - timedelta(minutes=1)
        for world in worlds:
            Step.objects.create(flow=world.flow, kind=Step.Kind.FAILED, at=just_now, source_id=world.source.pk)
        lost = {"failure_code": "refresh_rejected", "failure_at": just_now}
        Connection.objects.filter(pk=worlds[1].connection.pk).update(**lost)
        worst = self.figures().doing_badly()
        assert [one.name for one in worst] == [worlds[1].source.name, worlds[0].source.name]
        assert (worst[0].failed, worst[0].access_lost, worst[0].success_percent) == (1, 1, 50)

    def test_time_to_the_first_record_is_a_mean(self, history):
        pull = history["Other"].pull
        type(pull).objects.filter(pk=pull.pk).update(first_record_at=pull.created_at + timedelta(seconds=4))
        assert self.figures().first_record_ms == 4000

    def test_staff_of_an_organisation_are_told_of_it_only(self, history):
        world = history["Other"]
        user = make_staff("viewer", world.organization)
        assert self.figures(user=user).count(Measure.FLOW_CREATED) == 1
        other = history["Trials Inc"].organization.pk
        assert self.figures(f"window=7d&organization={other}", user=user).count(Measure.FLOW_CREATED) == 1

    @pytest.mark.parametrize("window", WINDOWS)
    def test_every_bar_adds_up_to_the_number_beside_it(self, window, history):
        figures = self.figures(f"window={window}")
        chart = figures.chart("x", Measure.STEP, [("connected", "success", (Step.Kind.CONNECTED,), "")], "")
        assert (
            chart.series[0].total
            == figures.count(Measure.STEP, Step.Kind.CONNECTED)
            == (1 if window in ("1h", "24h") else 2)
        )


class TestPage:
    def test_it_renews_itself_by_a_fragment_of_the_same_choice(self, world, viewer):
        page = viewer.get("/admin/?window=7d&environment=sandbox").content.decode()
        assert 'hx-get="/admin/overview/?window=7d&amp;environment=sandbox"' in page
        fragment = viewer.get("/admin/overview/?window=7d&environment=sandbox")
        assert "<html" not in fragment.content.decode()
        assert "Links made" in fragment.content.decode()

    def test_staff_of_an_organisation_do_not_see_the_engine(self, world):
        client = signed_in(make_staff("viewer", world.organization))
        assert "Workers and schedule" not in client.get("/admin/").content.decode()

    def test_who_is_alive_is_told(self, viewer):
        Heartbeat.objects.create(part="beat", host="a")
        assert "Workers and schedule" in viewer.get("/admin/").content.decode()

    def test_open_alerts_are_on_top(self, world, viewer):
        assert world.alert.text in viewer.get("/admin/").content.decode()
        world.alert.resolve()
        assert world.alert.text not in viewer.get("/admin/").content.decode()

    def test_access_that_is_about_to_end_is_counted_and_listed(self, world, viewer):
        Connection.objects.filter(pk=world.connection.pk).update(access_ends_at=timezone.now() + timedelta(days=3))
        page = viewer.get("/admin/").content.decode()
        assert "lapses=7d" in page
        assert world.connection.pk in viewer.get("/admin/portals/connection/?lapses=7d").content.decode()

    def test_its_queries_do_not_grow_with_the_rows(self, world, viewer, django_assert_max_num_queries):
        make_world("Third", patient_id="p-3")
        with django_assert_max_num_queries(60):
            viewer.get("/admin/?window=7d")


def test_counts_fall_into_their_bars():
    starts = [NOW, NOW + timedelta(hours=1)]
    counts = {NOW - timedelta(hours=1): 9, NOW: 1, NOW + timedelta(minutes=59): 2, NOW + timedelta(hours=3): 4}
    assert numbers(counts, starts) == [3, 4]


def test_bars_are_stacked_from_the_bottom():
    chart = Chart("x", [NOW], [Series("a", "success", [3]), Series("b", "danger", [1])])
    below, above = chart.pieces
    assert (below.y + below.height, above.y + above.height) == (120, below.y)
    assert above.title == "20 Nov 12:30: 1 b"
