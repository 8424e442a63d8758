"""Two professors, their disagreement, its settlement, and a second look after release."""

import pytest
from django.urls import reverse

from evaluation.models import Adjudication, Grading, RegradeRequest, RegradeStatus, Submission, Turn
from evaluation.services import agreement_report, chat, frozen, gradings, regrades, releases, results, submissions, tags
from teams.models import AuditEntry, Membership, NoticeKind, Role
from tests import factories
from tests.evaluation.conftest import make_run, professor_of
from tests.evaluation.test_grading import committed, marks_for, second_professor, url_of
from tests.evaluation.test_results import team_page


@pytest.fixture
def two_gradings(run, member, team, professor):
    """The same bot, graded 4 by one professor and 2 by the other."""
    professor_of(team, professor)
    second_professor(team)
    submissions.submit(team=team, run=run, person=member)
    one, two = Grading.objects.select_related("grade", "grader__person", "submission__team__course").order_by("id")
    committed(one, level=4)
    committed(two, level=2)
    return one, two


@pytest.fixture
def submission(two_gradings):
    return two_gradings[0].submission


def adjudicate(client, submission, criterion, **data):
    where = {"course_id": submission.team.course_id, "submission_id": submission.pk, "criterion_id": criterion.pk}
    return client.post(reverse("grade_adjudicate", kwargs=where), data, follow=True)


def test_a_gap_of_two_levels_keeps_a_result_from_release_all_until_it_is_settled(
    submission, instructor, client_for, course
):
    assert releases.release_complete(course=course, person=instructor) == 0
    client = client_for(instructor)
    for criterion in submission.rubric.criteria.all():
        adjudicate(client, submission, criterion, level="3", reason="We listened together.")
    assert releases.release_complete(course=course, person=instructor) == 1


def test_the_settled_level_is_what_the_team_sees_and_the_marks_stay(submission, member, team, instructor, client_for):
    criterion = submission.rubric.criteria.first()
    adjudicate(client_for(instructor), submission, criterion, level="4", reason="It counted on its fingers.")
    releases.publish(submission=submission, person=instructor)
    page = team_page(client_for(member), team)
    assert "Adjudicated: <strong>level 4</strong>: It counted on its fingers." in page
    assert "4 Like a child" in page and "2 Partly" in page
    assert results.results_of([submission])[0].criteria[0].final == 4
    assert results.results_of([submission])[0].overall == pytest.approx((4 + 7 * 3) / 8)
    assert AuditEntry.objects.filter(action="level adjudicated").count() == 1


@pytest.mark.parametrize("data", [{"level": "9", "reason": "x"}, {"level": "3", "reason": ""}])
def test_a_settlement_needs_a_level_of_the_rubric_and_a_reason(data, submission, instructor, client_for):
    answer = adjudicate(client_for(instructor), submission, submission.rubric.criteria.first(), **data)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "This rubric has no such level" in html or "Say why" in html
    assert data["reason"] in html, "what was written is still there"
    assert not Adjudication.objects.exists()


def test_agreement_is_counted_on_the_first_ratings(course, professor, instructor, client_for):
    other, levels = None, [(1, 1), (2, 3), (4, 4), (3, 3)]
    for number, pair in enumerate(levels):
        team = factories.make_team(course, f"Team {number}", factories.make_person())
        professor_of(team, professor)
        other = other or second_professor(team)
        if number:
            professor_of(team, other)
        submissions.submit(team=team, run=make_run(team), person=team.memberships.get().person)
        found = Grading.objects.filter(submission__team=team).select_related("grade", "grader__person")
        for grading in found:
            committed(grading, level=pair[grading.grader.person_id != professor.pk])
    report = agreement_report.agreement_of(course)
    row = report.criteria[0]
    assert (row.n, len(report.raters)) == (4, 2)
    assert row.shares is not None and (row.shares.exact, row.shares.adjacent) == (0.75, 1.0)
    assert row.alpha is not None and 0.8 < row.alpha < 1
    assert sorted(offset for offset in row.offsets if offset is not None) == [-0.125, 0.125]
    html = client_for(instructor).get(reverse("course_agreement", kwargs={"course_id": course.pk})).content.decode()
    assert "75 %" in html and "+0.1" in html


def test_a_professor_sees_agreement_once_all_is_released_and_nobody_elses_column(
    course, two_gradings, submission, professor, client_for, instructor
):
    address = reverse("course_agreement", kwargs={"course_id": course.pk})
    [other] = [one.grader.person for one in two_gradings if one.grader.person_id != professor.pk]
    queue = reverse("grading_queue", kwargs={"course_id": course.pk})
    before = client_for(professor).get(address).content.decode()
    assert "when every result is released" in before and "<table" not in before
    assert address not in client_for(professor).get(queue).content.decode()
    releases.publish(submission=submission, person=instructor)
    after = client_for(professor).get(address).content.decode()
    assert '<th class="n">You</th>' in after and other.name not in after
    assert address in client_for(professor).get(queue).content.decode()
    assert other.name in client_for(instructor).get(address).content.decode()


@pytest.mark.parametrize(
    ("alpha", "n", "said"),
    [
        (None, 1, "Too few bots"),
        (None, 5, "All ratings are the same"),
        (-0.4, 5, "less often than chance"),
        (0.0, 5, "still too seldom"),
        (0.67, 5, "mostly mean the same"),
        (0.8, 5, "mean the same by these levels"),
    ],
)
def test_alpha_is_said_in_a_sentence(alpha, n, said, submission):
    criterion = submission.rubric.criteria.first()
    row = agreement_report.CriterionAgreement(criterion, 1, False, n, None, alpha, None, True, None, [])
    assert said in row.said


def test_agreement_of_equal_ratings_is_not_defined(two_gradings, instructor, client_for, course):
    html = client_for(instructor).get(reverse("course_agreement", kwargs={"course_id": course.pk})).content.decode()
    assert "not defined" in html


def ask(client, team, criterion, **more):
    data = {"criterion": criterion.pk, "words": "It said twenty-six twice.", **more}
    return client.post(reverse("regrade_request", kwargs={"team_id": team.pk}), data, follow=True)


def third_professor(course):
    person = factories.make_person("Robin Third", "third@example.edu")
    return factories.enrol(course, person, Role.PROFESSOR)


def test_a_team_asks_for_a_second_look_only_after_release(submission, team, member, client_for):
    criterion = submission.rubric.criteria.first()
    assert ask(client_for(member), team, criterion).status_code == 404
    assert not RegradeRequest.objects.exists()


def test_a_request_points_at_a_criterion_and_marked_answers(
    submission, two_gradings, team, member, instructor, client_for, model_server, answers_at_once
):
    grading = two_gradings[0]
    turn = chat.ask(
        conversation=gradings.interview_of(grading), question="What is 52 - 38?", person=grading.grader.person
    )
    tags.put(grading=grading, turn=turn, label="real misconception")
    releases.publish(submission=submission, person=instructor)
    criterion = submission.rubric.criteria.get(position=3)
    client = client_for(member)
    assert "decides what happens next" in ask(client, team, criterion, turns=[turn.key]).content.decode()
    made = RegradeRequest.objects.get()
    assert made.criterion == criterion and list(made.turns.all()) == [turn]
    assert "asked about this criterion already" in ask(client, team, criterion).content.decode()
    where = {"course_id": team.course_id, "submission_id": submission.pk}
    seen = client_for(instructor).get(reverse("submission_grades", kwargs=where)).content.decode()
    assert "It said twenty-six twice." in seen and "What is 52 - 38?" in seen


def decide(client, asked, **data):
    where = {"course_id": asked.submission.team.course_id, "submission_id": asked.submission_id, "regrade_id": asked.pk}
    return client.post(reverse("regrade_decide", kwargs=where), data, follow=True)


@pytest.fixture
def asked(submission, two_gradings, member, instructor, model_server, answers_at_once):
    """About one of two answers that were marked."""
    grading = two_gradings[0]
    for question in ("What is 52 - 38?", "Why is ice cold?"):
        talk, person = gradings.interview_of(grading), grading.grader.person
        turn = chat.ask(conversation=talk, question=question, person=person)
        tags.put(grading=grading, turn=turn, label="real misconception")
    releases.publish(submission=submission, person=instructor)
    return regrades.request_regrade(
        submission=submission,
        criterion=submission.rubric.criteria.first(),
        turns=list(Turn.objects.filter(question="What is 52 - 38?")),
        words="Maple asks.",
        person=member,
    )


@pytest.fixture
def look(asked, instructor, course):
    return regrades.send_for_second_look(request=asked, professor=third_professor(course), person=instructor)


def look_url(look):
    return reverse("second_look", args=[look.reader.course_id, look.code])


def test_instructors_are_told_of_a_request_and_the_professor_of_her_look(asked, instructor, client_for, course):
    assert instructor.notices.get(kind=NoticeKind.DISPUTED).text.startswith("Maple asks for a second look at")
    third = third_professor(course)
    assert [free.pk for free in regrades.free_professors(asked.submission)] == [third.pk]
    decide(client_for(instructor), asked, professor=str(third.pk))
    asked.refresh_from_db()
    assert asked.status == RegradeStatus.SECOND_LOOK
    waits = third.person.notices.get(kind=NoticeKind.WAITING)
    assert "Maple" not in waits.text and waits.path == look_url(asked.look)
    assert not Grading.objects.filter(grader=third).exists(), "she is not asked to grade the whole bot"


def test_another_professor_sees_exactly_the_criterion_and_the_answers(asked, look, client_for):
    client = client_for(look.reader.person)
    queue = client.get(reverse("grading_queue", args=[look.reader.course_id])).content.decode()
    assert look_url(look) in queue and "waits for you" in queue
    page = client.get(look_url(look)).content.decode()
    assert "What is 52 - 38?" in page and asked.criterion.name in page
    assert page.count('type="radio"') == 5 and " checked" not in page
    for hidden in ("Why is ice cold?", "Maple", "Engagement level", "real misconception", "Sounds right."):
        assert hidden.lower() not in page.lower(), hidden


def test_a_look_is_given_once_and_told_to_the_instructor(asked, look, instructor, client_for):
    client = client_for(look.reader.person)
    refused = client.post(look_url(look), {"level": "", "comment": "It counts on its fingers."})
    assert refused.status_code == 422
    assert "It counts on its fingers." in refused.content.decode() and "Choose a level" in refused.content.decode()
    data = {"level": "4", "comment": "It counts on its fingers."}
    answer = client.post(look_url(look), data, headers={"HX-Request": "true"})
    assert answer["Saved"] == "second-look", "only then may the page forget what was written"
    look.refresh_from_db()
    assert (look.level, look.comment) == (4, "It counts on its fingers.")
    again = client.post(look_url(look), {"level": "1", "comment": "Second thoughts."})
    assert again.status_code == 422
    look.refresh_from_db()
    assert look.level == 4
    assert instructor.notices.filter(text__contains="is done. Please decide").count() == 1
    where = {"course_id": look.reader.course_id, "submission_id": asked.submission_id, "regrade_id": asked.pk}
    page = client_for(instructor).get(reverse("regrade_decide", kwargs=where)).content.decode()
    assert "It counts on its fingers." in page and "Maple asks." in page and " checked" not in page


def test_a_professor_who_may_not_see_a_look_does_not_find_it(look, professor, instructor, client_for):
    for person in (professor, instructor):
        assert client_for(person).get(look_url(look)).status_code == 404


def test_a_professor_who_graded_the_bot_cannot_take_the_second_look(asked, instructor, professor, client_for, course):
    mine = Membership.objects.get(course=course, person=professor)
    assert "Choose another one" in decide(client_for(instructor), asked, professor=str(mine.pk)).content.decode()
    asked.refresh_from_db()
    assert asked.status == RegradeStatus.OPEN


def test_who_does_not_answer_is_replaced_by_another_professor(asked, look, instructor, client_for, course):
    fourth = factories.enrol(course, factories.make_person("Rae Fourth", "fourth@example.edu"), Role.PROFESSOR)
    regrades.send_for_second_look(request=asked, professor=fourth, person=instructor)
    assert client_for(look.reader.person).get(look_url(look)).status_code == 404
    asked.refresh_from_db()
    assert asked.look.reader == fourth


def test_a_decision_closes_the_request_publishes_the_criterion_alone_and_tells_everyone(
    asked, look, submission, two_gradings, team, member, instructor, client_for
):
    other_criterion = submission.rubric.criteria.last()
    results.adjudicate(submission=submission, criterion=other_criterion, level=1, reason="A draft.", person=instructor)
    regrades.give(look=look, opinion=regrades.Opinion(4, "It counts on its fingers."))
    decide(client_for(instructor), asked, level="4", answer="It does count like a child.")
    asked.refresh_from_db()
    assert (asked.status, asked.level, asked.answer) == (RegradeStatus.DECIDED, 4, "It does count like a child.")
    shown = frozen.current_of(Submission.objects.get(pk=submission.pk))
    assert shown is not None and shown.release.number == 2
    assert [row.final for row in shown.criteria] == [4.0] + [3.0] * 7, "the other draft waits"
    page = team_page(client_for(member), team)
    assert "It does count like a child." in page and "Decided: another level counts" in page
    assert member.notices.filter(text__contains="is decided: level 4 counts").count() == 1
    for grading in two_gradings:
        told = grading.grader.person.notices.get(kind=NoticeKind.GRADE)
        assert told.text.startswith(f"Bot {grading.letter}: a second look") and "Maple" not in told.text
    assert look.reader.person.notices.filter(kind=NoticeKind.GRADE, text__contains="is decided").count() == 1
    assert AuditEntry.objects.filter(action="regrade decided").count() == 1


def test_a_decided_request_is_closed_for_good(asked, look, team, member, instructor, client_for):
    regrades.decide(request=asked, level=4, answer="Heard.", person=instructor)
    with pytest.raises(regrades.RegradeRefused, match="decided already"):
        regrades.decide(request=asked, level=1, answer="Again.", person=instructor)
    with pytest.raises(regrades.RegradeRefused, match="answered or decided"):
        regrades.give(look=look, opinion=regrades.Opinion(2, "Too late."))
    page = client_for(look.reader.person).get(look_url(look)).content.decode()
    assert "decided meanwhile" in page
    again = ask(client_for(member), team, asked.criterion).content.decode()
    assert "was looked at a second time and decided" in again
    assert releases.draft_of(asked.submission).open_requests == 0


def test_a_decision_for_the_same_level_as_before_needs_no_new_version(asked, instructor):
    results.adjudicate(
        submission=asked.submission, criterion=asked.criterion, level=3, reason="Heard.", person=instructor
    )
    releases.publish(submission=asked.submission, person=instructor, reason="Settled.", only=asked.criterion.key)
    regrades.decide(request=asked, level=3, answer="Heard.", person=instructor)
    asked.refresh_from_db()
    assert asked.status == RegradeStatus.DECIDED


def test_a_declined_request_says_why_to_the_team(asked, instructor, team, member, client_for):
    refused = decide(client_for(instructor), asked, level="stays", answer=" ")
    assert refused.status_code == 422 and "Tell the team why" in refused.content.decode()
    decide(client_for(instructor), asked, level="stays", answer="Both professors heard it.")
    page = team_page(client_for(member), team)
    assert "Both professors heard it." in page and "the grade stays" in page
    assert asked.submission.releases.count() == 1
    assert "decided already" in decide(client_for(instructor), asked, level="stays", answer="Again").content.decode()


def test_nothing_is_lost_when_one_professor_loses_the_connection(run, member, team, professor, client_for):
    """Half a draft, a new session, the rest: the first half is still there and commits with the second."""
    professor_of(team, professor)
    submissions.submit(team=team, run=run, person=member)
    grading = Grading.objects.select_related("grade", "grader__person", "submission__team").get()
    scores = list(grading.grade.scores.all())
    first, second = client_for(professor), client_for(professor)
    for client, half in ((first, scores[:4]), (second, scores[4:])):
        for score in half:
            url = url_of(grading, "grading_score", criterion=score.criterion.key)
            client.post(url, {"level": "3", "comment": "", "version": 0}, headers={"HX-Request": "true"})
    confirmed = {"version": 8, "confirmed": "1", "reason": "Graded by the standard interview."}
    second.post(url_of(grading, "grading_commit"), confirmed)
    grading.grade.refresh_from_db()
    assert grading.grade.status == "committed"
    assert {score["level"] for score in grading.grade.revisions.get().scores} == {3}


def test_marks_of_a_draft_never_reach_the_instructors_means(two_gradings, team, run, course):
    third = third_professor(course)
    factories.assign(team, third.person)
    gradings.ensure_gradings(course=course)
    marks_for(Grading.objects.select_related("grade").get(grader=third), level=1)
    assert results.results_of([two_gradings[0].submission])[0].overall == 3
