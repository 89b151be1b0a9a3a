"""A source's status says whether a patient can connect there: probes, what they find, and how gently they look."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portals import actions, probing
from portals.models import Source
from tests.factories import STAFF
from tests.portals.engine.world import now_of
from tests.portals.portal_double import HTML, Answer, PortalDouble

Status = Source.Status
WELL_KNOWN = "/fhir/.well-known/smart-configuration"


def probed(world, source=None) -> Source:
    source = source or world.source()
    Source.objects.update(probe_due_at=timezone.now() + timedelta(hours=1))
    Source.objects.filter(pk=source.pk).update(probe_due_at=timezone.now() - timedelta(seconds=1))
    probing.probe_due()
    return Source.objects.get(pk=source.pk)


def test_a_healthy_portal_is_available_and_looked_at_again_in_a_day(world):
    source = probed(world)
    assert (source.status, source.status_reason, source.probe_failures) == (Status.AVAILABLE, "", 0)
    assert timedelta(hours=19) < source.probe_due_at - timezone.now() < timedelta(hours=29)
    assert source.configuration["token_endpoint"] == f"{world.portal.url}/token"
    assert source.probed_at is not None


def test_the_first_failure_degrades_and_the_second_takes_it_off(world):
    world.portal.on(WELL_KNOWN, Answer(503))
    first = probed(world)
    assert (first.status, first.probe_failures) == (Status.DEGRADED, 1)
    assert first.probe_due_at - timezone.now() < timedelta(minutes=19)
    second = probed(world)
    assert second.status == Status.UNAVAILABLE
    assert "does not answer" in second.status_reason
    world.portal.on(WELL_KNOWN, lambda _: Answer(json=world.portal.document))
    assert probed(world).status == Status.AVAILABLE


@pytest.mark.parametrize(
    ("document", "word"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "plain"),
        ({"token_endpoint": None}, "token endpoint"),
        ({"grant_types_supported": ["client_credentials"]}, "authorization code"),
    ],
)
def test_disc_plain_only_refused_and_kin_say_why(world, document, word):
    world.portal.document |= document
    source = probed(world)
    assert source.status == Status.UNAVAILABLE
    assert word in source.status_reason


def test_disc_html_200(world):
    world.portal.on(WELL_KNOWN, HTML)
    probed(world)
    source = probed(world)
    assert source.status == Status.UNAVAILABLE
    assert "base URL" in source.status_reason


def test_disc_cross_host_change_is_for_an_operators_eyes(world):
    """New endpoints on another host: the source is marked; after the operator's word refreshes go there too."""
    connection = world.due()
    with PortalDouble() as elsewhere:
        elsewhere.on("/token", Answer(json={"access_token": "at-moved", "token_type": "Bearer"}))
        world.portal.document |= {"token_endpoint": f"{elsewhere.url}/token"}
        source = probed(world, connection.source)
        assert source.status == Status.DEGRADED
        assert "another host" in source.status_reason
        assert actions.follow_endpoints(source=source, by=STAFF) == 1
        assert probed(world, source).status == Status.AVAILABLE
        actions.tasks.sweep.refresh_due(round_seconds=1)
        assert now_of(connection).access_token == "at-moved"


def test_a_host_with_many_sources_is_asked_a_few_at_a_time(world):
    for number in range(12):
        world.source(f"Site{number}")
        world.portal.on(f"/fhir/site{number}/.well-known/smart-configuration", Answer(json=world.portal.document))
    Source.objects.update(probe_due_at=timezone.now() - timedelta(seconds=1))
    assert probing.probe_due() is True
    assert len(world.portal.requests) == probing.PER_HOST
    assert not Source.objects.probes_due(timezone.now()).exists()
    assert Source.objects.probes_due(timezone.now() + timedelta(minutes=2)).count() == 4


def test_two_workers_do_not_look_at_the_same_source(world):
    world.source()
    Source.objects.update(probe_due_at=timezone.now() - timedelta(seconds=1))
    assert len(probing.claim()) == 1
    assert probing.claim() == []


def test_withdrawn_sources_are_left_alone(world):
    source = world.source()
    Source.objects.update(probe_due_at=timezone.now() - timedelta(seconds=1))
    Source.objects.filter(pk=source.pk).withdraw()
    assert probing.probe_due() is False


def test_a_paused_portal_stays_unavailable_whatever_a_probe_sees(world):
    source = world.source()
    actions.pause_portal(source=source, by=STAFF, reason="maintenance")
    assert probed(world, source).status == Status.UNAVAILABLE
    actions.resume_portal(source=Source.objects.get(), by=STAFF)
    assert probed(world, source).status == Status.AVAILABLE


def test_newly_imported_sources_come_due_spread_over_hours(world):
    dues = [world.source(f"New{n}").probe_due_at for n in range(30)]
    assert max(dues) - min(dues) > timedelta(hours=4)


def test_an_outage_at_the_token_endpoint_has_discovery_read_again(world):
    """Endpoints move when portals are upgraded: silence is a reason to look."""
    for _ in range(6):
        world.due()
    source = world.source()
    source.remember_configuration(world.configuration(source).to_dict())
    Source.objects.update(probe_due_at=timezone.now() + timedelta(hours=20))
    world.answers(Answer(503))
    actions.tasks.sweep.refresh_due(round_seconds=2)
    assert Source.objects.probes_due(timezone.now()).exists()
    assert Source.objects.get().configured_at is None
