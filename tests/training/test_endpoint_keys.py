"""How long a key for programs works: as long as its maker is in the team, and until the course's last day."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import openai
import pytest
from django.utils import timezone

from teams.models import Course, Membership, Team, User
from tests import factories
from tests.evaluation.model_server import Script
from tests.training.test_endpoint import QUESTION, client_of, model_server, new_key, paid, web
from training.models import EndpointKey
from training.services import deployments
from training.services.deployments import KeyRefused

__all__ = ["model_server", "web"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def leaves_for_another_team(membership: Membership) -> None:
    Membership.objects.filter(pk=membership.pk).update(team=factories.make_team(membership.course))


LEAVING: dict[str, Callable[[Membership], object]] = {
    "another team": leaves_for_another_team,
    "out of the course": lambda place: Membership.objects.filter(pk=place.pk).update(active=False),
    "account switched off": lambda place: User.objects.filter(pk=place.person_id).update(is_active=False),
    "account gone": lambda place: EndpointKey.objects.update(created_by=None),
}


@pytest.mark.parametrize("how", list(LEAVING))
def test_a_key_stops_when_whoever_made_it_leaves_and_the_page_says_so(
    team: Team, member: User, client_for: Any, instructor: User, how: str
) -> None:
    secret = new_key(team, member)
    assert deployments.key_of(secret).team == team
    page = client_for(instructor).get(f"/teams/{team.pk}/endpoint/").content.decode()
    assert "<td>yes</td>" in page and "stopped" not in page
    LEAVING[how](member.memberships.get())
    with pytest.raises(KeyRefused, match="whoever made it is no longer in the team"):
        deployments.key_of(secret)
    page = client_for(instructor).get(f"/teams/{team.pk}/endpoint/").content.decode()
    assert "stopped: whoever made it is no longer in the team" in page


def test_a_key_works_again_when_its_maker_is_back(team: Team, member: User) -> None:
    secret = new_key(team, member)
    Membership.objects.update(active=False)
    with pytest.raises(KeyRefused):
        deployments.key_of(secret)
    Membership.objects.update(active=True)
    assert deployments.key_of(secret).team == team


def test_no_key_outlives_the_course_and_a_program_is_told(
    course: Course, team: Team, member: User, web: str, model_server: Script, client_for: Any
) -> None:
    run, secret = paid(team, member), new_key(team, member)
    today = timezone.localdate()
    Course.objects.filter(pk=course.pk).update(ends_on=today)
    client_of(web, secret).chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    Course.objects.filter(pk=course.pk).update(ends_on=today - timedelta(days=1))
    with pytest.raises(openai.AuthenticationError, match="the course is over"):
        client_of(web, secret).chat.completions.create(model=f"run-{run.number}", messages=QUESTION)
    assert len(model_server.asked) == 1
    assert "so no key works" in client_for(member).get(f"/teams/{team.pk}/endpoint/").content.decode()


def test_a_student_who_practises_may_make_a_key_while_the_practice_team_is_open(team: Team, member: User) -> None:
    practice = factories.make_team(team.course)
    Team.objects.filter(pk=practice.pk).update(practice=True)
    secret = new_key(practice, member)
    Course.objects.update(practice_open=True)
    assert deployments.key_of(secret).team == practice
    Course.objects.update(practice_open=False)
    with pytest.raises(KeyRefused):
        deployments.key_of(secret)
