import re

import pytest

from courseplatform import practice
from courseplatform.views.guide import TOPICS
from datasets.models import Dataset
from datasets.services import samples
from evaluation.services import submissions
from teams.models import AuditEntry, Role
from teams.services import money
from tests import factories
from tests.evaluation.conftest import make_run


def test_every_topic_of_the_guide_has_a_page_that_leads_on(client_for, member):
    client = client_for(member)
    assert len(TOPICS) >= 8
    listed = client.get("/guide/").content.decode()
    for topic in TOPICS:
        assert f'href="/guide/{topic.slug}/"' in listed
        page = client.get(f"/guide/{topic.slug}/")
        text = re.sub(r"<[^>]+>", " ", page.content.decode())
        assert page.status_code == 200
        assert topic.about in text
        assert len(text.split()) > 180, f"{topic.slug} says too little"


def test_the_guide_speaks_of_all_three_methods_with_the_data_that_each_needs(client_for, member):
    page = client_for(member).get("/guide/choosing/").content.decode()
    for said in ("10 to 50", "50 to 100", "100 and more"):
        assert said in page


def test_an_unknown_topic_is_not_found(client_for, member):
    assert client_for(member).get("/guide/astrology/").status_code == 404


def test_the_guide_keeps_the_bar_of_the_readers_course(client_for, member, team):
    assert f"/teams/{team.pk}/" in client_for(member).get("/guide/dspy/").content.decode()


def test_the_bar_leads_students_and_professors_to_the_guide(client_for, course, member, professor, team):
    assert 'href="/guide/"' in client_for(member).get(f"/teams/{team.pk}/").content.decode()
    assert 'href="/guide/"' in client_for(professor).get(f"/courses/{course.pk}/grading/").content.decode()


@pytest.fixture
def sandbox(course, instructor, redis_server):
    return practice.switch_on(course=course, person=instructor)


def test_opening_the_practice_team_fills_it_with_the_samples_once(course, instructor, sandbox):
    practice.switch_off(course=course, person=instructor)
    again = practice.switch_on(course=course, person=instructor)
    assert again == sandbox
    assert Dataset.objects.for_team(sandbox).count() == len(samples.available()) > 0
    assert all(dataset.versions.exists() for dataset in Dataset.objects.for_team(sandbox))
    assert list(
        AuditEntry.objects.filter(action__startswith="practice").order_by("id").values_list("action", flat=True)
    ) == [
        "practice team opened",
        "practice team closed",
        "practice team opened",
    ]


def test_every_student_enters_the_open_practice_team_and_nobody_else(
    client_for, course, sandbox, member, other_member, professor, outsider, instructor
):
    address = f"/teams/{sandbox.pk}/"
    for person, status in ((member, 200), (other_member, 200), (instructor, 200), (professor, 404), (outsider, 404)):
        assert client_for(person).get(address).status_code == status
    client_for(instructor).post(f"/courses/{course.pk}/practice/", {"do": "off"})
    assert client_for(member).get(address).status_code == 404


def test_the_own_team_links_to_the_practice_team_and_back(client_for, team, member, sandbox):
    client = client_for(member)
    assert f'href="/teams/{sandbox.pk}/"' in client.get(f"/teams/{team.pk}/").content.decode()
    assert f'href="/teams/{team.pk}/"' in client.get(f"/teams/{sandbox.pk}/").content.decode()


def test_practice_costs_nothing_and_is_never_handed_in(sandbox, member):
    money.hold(team=sandbox, key="run-1", amount=0)
    with pytest.raises(money.BudgetRefused):
        money.hold(team=sandbox, key="run-2", amount=1)
    with pytest.raises(submissions.CannotSubmit, match="practice"):
        submissions.submit(team=sandbox, run=make_run(sandbox), person=member)


def test_the_practice_team_is_not_joined_formed_moved_into_nor_stuck(client_for, course, sandbox, instructor):
    late = factories.make_person("Late")
    factories.enrol(course, late, Role.STUDENT)
    client = client_for(late)
    assert f"/courses/{course.pk}/teams/{sandbox.pk}/join/" not in client.get(f"/courses/{course.pk}/").content.decode()
    assert client.post(f"/courses/{course.pk}/teams/{sandbox.pk}/join/").status_code == 404
    home = client_for(instructor).get(f"/courses/{course.pk}/").content.decode()
    assert "nobody is in this team" not in home
    person = client_for(instructor).get(f"/courses/{course.pk}/people/{late.memberships.get().pk}/").content.decode()
    assert f'<option value="{sandbox.pk}"' not in person


def test_a_team_may_be_called_practice_already(course, instructor, redis_server):
    factories.make_team(course, "Practice")
    assert practice.switch_on(course=course, person=instructor).name == "Practice 2"
