from datetime import date, timedelta

import pytest
from django.utils import timezone

from courseplatform import progress
from teams.models import AuditEntry, Milestone, Role, Team
from teams.services import costs, plan
from tests import factories
from tests.evaluation.conftest import make_run
from training.models import RunStatus, TrainingRun


@pytest.fixture
def milestones(course):
    course.starts_on = date(2026, 9, 1)
    return plan.start_plan(course)


def edit(client, course, milestone, **fields):
    return client.post(f"/courses/{course.pk}/plan/{milestone.pk}/", fields, follow=True)


def titles(course):
    return list(course.milestones.values_list("title", flat=True))


def reasons(team: Team) -> list[str]:
    done = progress.achieved([team])[team.pk]
    steps = progress.steps(progress.course_plan(team.course), done)
    people = team.memberships.filter(active=True).count()
    return progress.stuck(team=team, done=done, plan=steps, costs=costs.of_team(team), people=people)


def test_a_new_plan_has_the_guides_weeks_dated_from_the_first_day(course, milestones):
    assert [(one.goal, one.due_on) for one in milestones][:2] == [
        (Milestone.Goal.DATASET, date(2026, 9, 8)),
        (Milestone.Goal.DSPY, date(2026, 9, 15)),
    ]


def test_the_instructor_renames_dates_and_moves_a_step_and_the_audit_log_keeps_what_was(
    client_for, course, milestones, instructor
):
    client = client_for(instructor)
    edit(client, course, milestones[0], title="Data day", goal="dataset", due_on="2026-10-01", do="save")
    edit(client, course, milestones[0], do="later")
    assert titles(course)[:2] == ["DSPy: better prompting", "Data day"]
    assert list(course.milestones.values_list("position", flat=True)) == [1, 2, 3, 4, 5]
    kept = AuditEntry.objects.filter(action="plan changed").earliest("id")
    assert kept.before == {"title": "First dataset", "goal": "dataset", "due": "2026-09-08"}
    assert kept.after == {"title": "Data day", "goal": "dataset", "due": "2026-10-01"}


def test_the_first_step_cannot_move_up_and_the_last_cannot_move_down(client_for, course, milestones, instructor):
    before = titles(course)
    edit(client_for(instructor), course, milestones[0], do="earlier")
    edit(client_for(instructor), course, milestones[-1], do="later")
    assert titles(course) == before


def test_a_step_is_added_at_the_end_and_another_removed(client_for, course, milestones, instructor):
    client = client_for(instructor)
    client.post(f"/courses/{course.pk}/plan/new/", {"title": "Show it", "goal": "submission", "due_on": ""})
    edit(client, course, milestones[0], do="remove")
    assert titles(course)[0] == "DSPy: better prompting"
    assert titles(course)[-1] == "Show it"
    assert list(course.milestones.values_list("position", flat=True)) == [1, 2, 3, 4, 5]


def test_a_step_without_a_title_or_with_a_wrong_date_is_refused_with_a_sentence(
    client_for, course, milestones, instructor
):
    page = edit(client_for(instructor), course, milestones[0], title="", goal="dataset", due_on="soon")
    assert "Step: This field is required." in page.content.decode()
    assert titles(course)[0] == "First dataset"


def test_the_step_of_another_course_is_not_found(client_for, course, other_course, instructor):
    far = plan.start_plan(other_course)[0]
    assert edit(client_for(instructor), course, far, title="X", goal="dataset").status_code == 404


def test_a_student_sees_dates_and_the_own_teams_progress_and_cannot_edit(client_for, course, milestones, member, team):
    factories.make_dataset_version(team)
    page = client_for(member).get(f"/courses/{course.pk}/plan/").content.decode()
    assert "by Sep 8" in page
    assert page.count("data-done") == 1
    assert "Add a step" not in page


def test_a_professor_sees_the_plan_and_no_team(client_for, course, milestones, professor, team):
    page = client_for(professor).get(f"/courses/{course.pk}/plan/").content.decode()
    assert "First dataset" in page
    assert team.name not in page


def test_progress_follows_from_what_the_team_did(course, milestones, team):
    run = make_run(team)
    TrainingRun.objects.filter(pk=make_run(team).pk).update(status=RunStatus.RUNNING, method="openai")
    steps = progress.steps(milestones, progress.achieved([team])[team.pk], today=date(2026, 9, 16))
    assert run.method == "lora"
    assert [(step.milestone.goal, step.done, step.active, step.late) for step in steps] == [
        ("dataset", True, False, False),
        ("dspy", False, False, True),
        ("openai", False, True, False),
        ("lora", True, False, False),
        ("submission", False, False, False),
    ]


def test_a_young_team_with_money_and_people_is_not_stuck(team):
    assert reasons(team) == []


def test_a_team_is_stuck_without_data_after_a_week(team):
    Team.objects.filter(pk=team.pk).update(created_at=timezone.now() - timedelta(days=8))
    team.refresh_from_db()
    assert reasons(team) == ["no dataset yet"]


def test_a_team_whose_runs_all_failed_is_stuck_with_the_newest_reason_until_one_works(team):
    for said in ("It was too long.", "No key."):
        TrainingRun.objects.filter(pk=make_run(team).pk).update(status=RunStatus.FAILED, error_message=said)
    assert reasons(team) == ["all 2 runs failed: No key."]
    make_run(team)
    assert reasons(team) == []


def test_a_team_without_money_or_people_is_stuck(course):
    poor = factories.make_team(course, "Poor", budget=0)
    assert reasons(poor) == ["nobody is in this team", "has no budget"]
    poor.account.limit = poor.account.spent = 5_000_000
    poor.account.save()
    factories.enrol(course, factories.make_person(), Role.STUDENT, poor)
    assert reasons(poor) == ["no money left"]


def test_a_team_behind_the_plan_is_stuck_and_the_missing_data_is_said_once(course, milestones, team):
    Team.objects.filter(pk=team.pk).update(created_at=timezone.now() - timedelta(days=60))
    team.refresh_from_db()
    assert reasons(team) == ["no dataset yet", "behind the plan: “DSPy: better prompting” and 3 more, due Sep 15"]


def test_the_instructor_sees_at_a_glance_who_is_stuck(client_for, course, instructor, team):
    factories.make_team(course, "Lonely")
    page = client_for(instructor).get(f"/courses/{course.pk}/").content.decode()
    assert "Who may need you" in page
    assert "nobody is in this team" in page
    assert page.count("Lonely</a>:") == 1
    assert "Maple</a>:" not in page


def test_the_course_home_and_the_plan_need_the_same_queries_for_one_team_and_for_thirty(
    client_for, course, milestones, instructor, django_assert_max_num_queries
):
    for number in range(30):
        TrainingRun.objects.filter(pk=make_run(factories.make_team(course, f"Team {number:02}")).pk).update(
            status=RunStatus.FAILED
        )
    client = client_for(instructor)
    for address in ("", "plan/"):
        with django_assert_max_num_queries(18):
            assert client.get(f"/courses/{course.pk}/{address}").status_code == 200


def test_each_step_says_how_many_teams_have_done_it_and_how_many_are_late(client_for, course, instructor, team):
    course.starts_on = timezone.localdate() - timedelta(days=10)
    plan.start_plan(course)
    for number in range(2):
        factories.make_team(course, f"Other {number}")
    factories.make_dataset_version(team)
    page = client_for(instructor).get(f"/courses/{course.pk}/plan/").content.decode()
    assert "1 of 3 done" in page
    assert "2 late" in page
    assert page.index("How far each team is") < page.index("Add a step")
