"""From handing in to release: frozen, blind, independent, and nothing lost on the way."""

import pytest
from django.urls import reverse

from evaluation.models import Grade, GradeStatus, Grading, RubricVersion, Turn, TurnStatus, UnappliedSave
from evaluation.services import chat, grades, gradings, releases, submissions, tags
from evaluation.services.grades import Marks, Saved
from teams.models import Method, Role
from tests import factories
from tests.evaluation.conftest import make_prices, make_run, professor_of


@pytest.fixture
def submission(run, member, team, professor):
    professor_of(team, professor)
    return submissions.submit(team=team, run=run, person=member)


@pytest.fixture
def grading(submission):
    return submission.gradings.select_related("grade", "grader").get()


def marks_for(grading, level=3, comment="Sounds right."):
    for score in grading.grade.scores.select_related("criterion", "grade"):
        grades.save_score(score=score, marks=Marks(level=level, comment=comment), version=score.version)
    grading.grade.refresh_from_db()
    return grading.grade


def committed(grading, level=3):
    grade = marks_for(grading, level)
    grades.commit(grade=grade, seen_version=grade.version, person=grading.grader.person)
    grade.refresh_from_db()
    return grade


def second_professor(team):
    person = factories.make_person("Quinn Professor", "quinn@example.edu")
    factories.enrol(team.course, person, Role.PROFESSOR)
    professor_of(team, person)
    return person


def test_the_built_in_rubric_has_two_parts_of_four_criteria_with_four_anchored_levels(db):
    rubric = RubricVersion.objects.get(course=None, number=1)
    criteria = list(rubric.criteria.prefetch_related("levels"))
    assert [criterion.part for criterion in criteria] == ["authenticity"] * 4 + ["education"] * 4
    for criterion in criteria:
        assert [level.label for level in criterion.levels.all()] == ["Not yet", "Partly", "Mostly", "Like a child"]
        assert len({level.anchor for level in criterion.levels.all()}) == 4
        assert criterion.explanation


def test_a_submission_freezes_what_decides_how_the_bot_talks(submission, run):
    bundle = submission.bundle
    assert bundle["dataset"]["sha256"] == run.dataset_version.content_hash
    assert bundle["chat"]["model"] == run.result_model
    assert bundle["chat"]["system_prompt"] == "You are a second-grade student."
    assert bundle["rubric"]["number"] == 1
    assert "api_key" not in str(bundle)


def test_the_interview_speaks_with_the_bundle_even_when_the_run_has_changed(
    submission, run, professor, model_server, answers_at_once
):
    run.result = {"system_prompt": "You are a pirate."}
    run.save()
    talk = gradings.interview_of(submission.gradings.get())
    chat.ask(conversation=talk, question="Hello?", person=professor)
    assert model_server.last_messages[0]["content"] == "You are a second-grade student."


def test_an_unfinished_run_cannot_be_handed_in(run, team, member):
    run.status = "running"
    with pytest.raises(submissions.CannotSubmit, match="not finished"):
        submissions.submit(team=team, run=run, person=member)


def test_a_team_can_replace_its_bot_until_a_grade_is_committed(grading, team, member):
    newer = submissions.submit(team=team, run=make_run(team), person=member)
    assert submissions.current_submission(team) == newer
    fresh = newer.gradings.select_related("grade", "grader").get()
    assert fresh.letter != grading.letter
    committed(fresh)
    with pytest.raises(submissions.CannotSubmit, match="cannot be replaced"):
        submissions.submit(team=team, run=make_run(team), person=member)


def test_what_was_written_about_a_replaced_bot_is_kept(grading, team, member, professor, client_for):
    marks_for(grading, comment="Kept words.")
    submissions.submit(team=team, run=make_run(team), person=member)
    client = client_for(professor)
    queue = client.get(reverse("grading_queue", kwargs={"course_id": team.course_id})).content.decode()
    assert "Withdrawn" in queue
    page = client.get(url_of(grading)).content.decode()
    assert "Kept words." in page and "withdrawn" in page


def test_a_professor_assigned_later_finds_the_bot_in_the_queue(run, member, team, professor, client_for):
    submissions.submit(team=team, run=run, person=member)
    url = reverse("grading_queue", kwargs={"course_id": team.course_id})
    assert "Nothing has been handed in" in client_for(professor).get(url).content.decode()
    professor_of(team, professor)
    assert "Bot " in client_for(professor).get(url).content.decode()
    assert Grading.objects.count() == 1


def test_opening_the_gradings_twice_opens_each_once(submission, course):
    gradings.ensure_gradings(course=course)
    gradings.ensure_gradings(course=course)
    assert Grading.objects.count() == 1


def test_the_order_of_the_queue_is_stable(course, professor):
    for name in ("A", "B", "C", "D", "E"):
        team = factories.make_team(course, name, factories.make_person())
        membership = professor_of(team, professor)
        submissions.submit(team=team, run=make_run(team), person=team.memberships.get().person)
    first = [entry.grading.pk for entry in gradings.queue_for(membership)]
    assert first == [entry.grading.pk for entry in gradings.queue_for(membership)]
    assert sorted(first) == sorted(Grading.objects.values_list("pk", flat=True))
    assert len({entry.grading.letter for entry in gradings.queue_for(membership)}) == 5


def test_a_professor_no_longer_assigned_no_longer_finds_the_bot(grading, professor, client_for, team):
    team.professor_assignments.all().delete()
    assert client_for(professor).get(url_of(grading)).status_code == 404


def url_of(grading, name="grading_detail", **more):
    return reverse(name, kwargs={"course_id": grading.submission.team.course_id, "code": grading.code, **more})


def save(client, grading, score, *, htmx=True, **data):
    headers = {"HX-Request": "true"} if htmx else {}
    return client.post(url_of(grading, "grading_score", criterion=score.criterion.key), data, headers=headers)


def test_a_draft_saves_itself_and_is_there_on_the_next_visit(grading, professor, client_for):
    client, score = client_for(professor), grading.grade.scores.first()
    response = save(client, grading, score, level="2", comment="One lattice answer.", version=0)
    assert "1 of 8 criteria" in response.content.decode()
    score.refresh_from_db()
    assert (score.level, score.comment, score.version) == (2, "One lattice answer.", 1)
    page = client.get(url_of(grading)).content.decode()
    assert "One lattice answer." in page and 'value="2" checked' in page


def test_cannot_judge_is_saved_and_is_not_a_level(grading, professor, client_for):
    score = grading.grade.scores.first()
    save(client_for(professor), grading, score, level="cannot", comment="", version=0)
    score.refresh_from_db()
    assert score.cannot_judge and score.level is None


def test_a_level_that_the_rubric_does_not_have_is_refused(grading, professor, client_for):
    score = grading.grade.scores.first()
    assert save(client_for(professor), grading, score, level="7", comment="", version=0).status_code == 422
    score.refresh_from_db()
    assert score.level is None


def test_a_save_from_an_old_window_overwrites_nothing_and_both_are_shown(grading, professor, client_for):
    client, score = client_for(professor), grading.grade.scores.first()
    save(client, grading, score, level="2", comment="first window", version=0)
    response = save(client, grading, score, level="4", comment="second window", version=0)
    html = response.content.decode()
    assert "first window" in html and "second window" in html and "Kept aside" in html
    score.refresh_from_db()
    assert (score.level, score.comment) == (2, "first window")
    page = client.get(url_of(grading)).content.decode()
    assert "first window" in page and "second window" in page


@pytest.mark.parametrize(("use", "expected"), [("kept", (4, "second")), ("shown", (2, "first"))])
def test_the_professor_chooses_between_two_windows(use, expected, grading, professor, client_for):
    client, score = client_for(professor), grading.grade.scores.first()
    save(client, grading, score, level="2", comment="first", version=0)
    save(client, grading, score, level="4", comment="second", version=0)
    kept = UnappliedSave.objects.get()
    client.post(url_of(grading, "grading_choose", kept=kept.code), {"use": use})
    score.refresh_from_db()
    assert (score.level, score.comment) == expected
    assert "Kept aside" not in client.get(url_of(grading)).content.decode()


def test_the_same_marks_from_an_old_window_are_no_conflict(grading):
    score = grading.grade.scores.select_related("criterion", "grade").first()
    assert grades.save_score(score=score, marks=Marks(level=2), version=0) is Saved.SAVED
    score.refresh_from_db()
    assert grades.save_score(score=score, marks=Marks(level=2), version=0) is Saved.SAME


def test_the_overall_comment_has_the_same_care(grading, professor, client_for):
    client, url = client_for(professor), url_of(grading, "grading_comment")
    client.post(url, {"comment": "one", "version": 0}, headers={"HX-Request": "true"})
    html = client.post(url, {"comment": "two", "version": 0}, headers={"HX-Request": "true"}).content.decode()
    assert "one" in html and "two" in html
    assert Grade.objects.get().comment == "one"


def test_a_conflict_must_be_settled_before_the_grade_is_committed(grading):
    marks_for(grading)
    score = grading.grade.scores.select_related("criterion", "grade").first()
    grades.save_score(score=score, marks=Marks(level=1), version=0)
    with pytest.raises(grades.CannotCommit, match="Two windows"):
        grades.commit(grade=grading.grade, seen_version=grading.grade.version, person=grading.grader.person)


def test_committing_what_another_window_changed_meanwhile_is_refused(grading):
    grade = marks_for(grading)
    with pytest.raises(grades.CannotCommit, match="another window"):
        grades.commit(grade=grade, seen_version=grade.version - 1, person=grading.grader.person)
    assert Grade.objects.get().status == GradeStatus.DRAFT


def test_a_draft_saved_after_the_commit_is_kept_aside(grading):
    grade = committed(grading)
    score = grade.scores.select_related("criterion", "grade").first()
    assert grades.save_score(score=score, marks=Marks(level=1), version=score.version) is Saved.KEPT_ASIDE
    score.refresh_from_db()
    assert score.level == 3


def test_criteria_without_a_level_ask_before_the_grade_is_submitted(grading, professor, client_for):
    client = client_for(professor)
    score = grading.grade.scores.first()
    save(client, grading, score, level="2", comment="", version=0)
    response = client.post(url_of(grading, "grading_commit"), {"version": 1})
    assert "7 criteria without a level" in response.content.decode()
    assert Grade.objects.get().status == GradeStatus.DRAFT
    client.post(url_of(grading, "grading_commit"), {"version": 1, "confirmed": "yes", "reason": "Only a test."})
    assert Grade.objects.get().status == GradeStatus.COMMITTED


def test_the_first_revision_is_kept_for_ever(grading, professor, client_for):
    grade = committed(grading, level=3)
    data = {"reason": "We talked about it.", "comment": "Better than I thought."}
    for score in grade.scores.select_related("criterion"):
        key = score.criterion.key
        data |= {f"{key}-level": "4", f"{key}-comment": "", f"{key}-version": str(score.version)}
    assert client_for(professor).post(url_of(grading, "grading_revise"), data).status_code == 302
    first, second = grade.revisions.all()
    assert {score["level"] for score in first.scores} == {3}
    assert {score["level"] for score in second.scores} == {4}
    assert (second.reason, second.author) == ("We talked about it.", professor)


def test_a_revision_needs_a_reason(grading, professor, client_for):
    grade = committed(grading)
    data = {f"{score.criterion.key}-level": "4" for score in grade.scores.select_related("criterion")}
    assert client_for(professor).post(url_of(grading, "grading_revise"), data).status_code == 422
    assert grade.revisions.count() == 1


def test_graders_are_independent(grading, team, client_for):
    marks_for(grading, comment="Only mine to see.")
    other = second_professor(team)
    gradings.ensure_gradings(course=team.course)
    theirs = Grading.objects.get(grader__person=other)
    page = client_for(other).get(url_of(theirs)).content.decode()
    assert "Only mine to see." not in page
    assert client_for(other).get(url_of(grading)).status_code == 404


def test_tags_become_evidence_beside_their_criteria(grading, professor, client_for, model_server, answers_at_once):
    talk = gradings.interview_of(grading)
    turn = chat.ask(conversation=talk, question="What is ice?", person=professor)
    client = client_for(professor)
    url = url_of(grading, "interview_tag", turn_key=turn.key)
    html = client.post(url, {"label": "too grown-up"}, headers={"HX-Request": "true"}).content.decode()
    assert 'aria-pressed="true">Too grown-up' in html and html.count("1 tagged too grown-up") == 2
    page = client.get(url_of(grading)).content.decode()
    assert page.count("1 tagged too grown-up") == 2 and "Evidence: 1 answer" in page
    client.post(url, {"label": "too grown-up"})
    assert "1 tagged" not in client.get(url_of(grading)).content.decode()


def test_a_grade_is_printed_with_its_levels_comments_and_marked_answers(grading, professor, client_for):
    page = reverse("grading_print", kwargs={"course_id": grading.grader.course_id, "code": grading.code})
    empty = client_for(professor).get(page).content.decode()
    assert "A draft: not submitted yet." in empty and "None of the 0 answers" in empty
    talk = gradings.interview_of(grading)
    for number, question in enumerate(("What is 7 + 5?", "Why is it cold?"), start=1):
        turn = Turn.objects.create(
            conversation=talk, position=number, question=question, answer="Um, ten.", status=TurnStatus.DONE
        )
    tags.put(grading=grading, turn=turn, label="great")
    tags.put(grading=grading, turn=turn, label="robot words", criterion=grading.submission.rubric.criteria.first())
    tags.correct(grading=grading, turn=turn, answer="It is winter!")
    committed(grading, level=3)
    html = client_for(professor).get(page).content.decode()
    assert html.count('<strong class="one-line">3 ') == 8 and "Submitted " in html
    assert "Why is it cold?" in html and "What is 7 + 5?" not in html, "only what she marked"
    assert "Great" in html and "Robot words (" in html and "It is winter!" in html
    assert "1 of 2 answers" in html


def test_no_page_of_a_professor_tells_whose_bot_it_is(
    course, professor, client_for, model_server, answers_at_once, settings
):
    """The blind-leak test: pages, fragments, streams' first frames, refusals and failures, with telling names everywhere."""
    secret = "Zanzibarites"
    person = factories.make_person("Zebedee Zanzibar", "zebedee.zanzibar@example.edu")
    team = factories.make_team(course, secret, person)
    professor_of(team, professor)
    make_prices(team)
    run = make_run(team, Method.OPENAI, name="Zanzibar final")
    submissions.submit(team=team, run=run, person=person)
    grading = Grading.objects.select_related("submission__team", "grade", "grader").get()
    client, talk = client_for(professor), gradings.interview_of(grading)
    shown = [client.get(reverse("grading_queue", kwargs={"course_id": course.pk}))]
    ask = url_of(grading, "interview_ask")
    shown.append(client.post(ask, {"question": "What is ice?"}, headers={"HX-Request": "true"}))
    model_server.status = 404
    shown.append(client.post(ask, {"question": "And steam?"}, headers={"HX-Request": "true"}))
    course.spending_frozen = True
    course.save()
    shown.append(client.post(ask, {"question": "And water?"}, headers={"HX-Request": "true"}))
    assert shown[-1].status_code == 422
    shown.append(client.post(ask, {"question": "And water?"}))
    turn = talk.turns.get(position=1)
    for name in ("interview_turn", "interview_tag", "interview_stop", "interview_retry"):
        send = client.get if name == "interview_turn" else client.post
        shown.append(send(url_of(grading, name, turn_key=turn.key), {"label": "great"}, headers={"HX-Request": "true"}))
    score = grading.grade.scores.first()
    for version in (0, 0):
        shown.append(save(client, grading, score, level=str(version + 2), comment=f"c{len(shown)}", version=version))
    shown.append(
        client.post(url_of(grading, "grading_comment"), {"comment": "x", "version": 0}, headers={"HX-Request": "true"})
    )
    shown.append(client.post(url_of(grading, "grading_commit"), {"version": 0}))
    shown.append(client.get(url_of(grading)))
    kept = UnappliedSave.objects.get()
    shown.append(client.post(url_of(grading, "grading_choose", kept=kept.code), {"use": "kept"}))
    committed(grading)
    shown += [client.get(url_of(grading)), client.get(url_of(grading, "grading_revise"))]
    releases.publish(submission=grading.submission, person=person)
    shown += [client.get(url_of(grading)), client.get(reverse("grading_queue", kwargs={"course_id": course.pk}))]
    telling = [
        secret,
        "Zebedee",
        "zebedee",
        "Zanzibar",
        run.result_model,
        str(run.key),
        f"/teams/{team.pk}",
        "Run 1",
        "rows.jsonl",
    ]
    telling += [grading.submission.blind_code, "$", "gpt-test"]
    assert len(shown) > 15
    for number, response in enumerate(shown):
        text = response.content.decode() + str(response.headers)
        for word in telling:
            assert word.lower() not in text.lower(), f"page {number} ({response.request['PATH_INFO']}) tells {word!r}"


def test_a_professor_is_a_stranger_on_the_teams_pages(submission, professor, client_for, team):
    for name in ("submission_detail", "conversation_list", "conversation_new"):
        assert client_for(professor).get(reverse(name, kwargs={"team_id": team.pk})).status_code == 404


def test_an_interview_is_not_among_the_teams_talks(
    grading, member, team, professor, client_for, model_server, answers_at_once
):
    talk = gradings.interview_of(grading)
    chat.ask(conversation=talk, question="Only for the professor", person=professor)
    client = client_for(member)
    assert (
        "Only for the professor"
        not in client.get(reverse("conversation_list", kwargs={"team_id": team.pk})).content.decode()
    )
    url = reverse("conversation_detail", kwargs={"team_id": team.pk, "key": talk.key})
    assert client.get(url).status_code == 404


def test_the_grading_page_takes_few_queries(grading, professor, client_for, django_assert_max_num_queries):
    client = client_for(professor)
    with django_assert_max_num_queries(20):
        client.get(url_of(grading))
    with django_assert_max_num_queries(15):
        client.get(reverse("grading_queue", kwargs={"course_id": grading.submission.team.course_id}))
