"""An instructor edits the rubric and the interview script; what was handed in keeps its version."""

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from evaluation.models import InterviewScript, RubricVersion
from evaluation.services import rubrics, scripts, submissions
from evaluation.services.interviews import script_for
from tests.evaluation.conftest import make_run


def url(course, name, **more):
    return reverse(name, kwargs={"course_id": course.pk, **more})


def filled(page, formset="criteria", **changes):
    """What a browser would send back from the editor's page, with `changes`."""
    form, forms = page.context["form"], page.context[formset]
    sent = {name: form[name].value() for name in form.fields}
    for part in (forms.management_form, *forms):
        sent |= {part.add_prefix(name): part[name].value() for name in part.fields}
    return {name: value for name, value in (sent | changes).items() if value not in (None, False)}


@pytest.fixture
def client(client_for, instructor):
    return client_for(instructor)


def edited(client, course, **changes):
    address = url(course, "rubric_edit")
    return client.post(address, filled(client.get(address), **changes))


def test_an_edit_makes_a_version_of_the_courses_own_and_leaves_the_built_in_one(client, course, other_course):
    edited(client, course, **{"form-0-name": "Words"})
    own = rubrics.rubric_for(course)
    assert (own.course, own.number, own.criteria.all()[0].name) == (course, 2, "Words")
    assert own.criteria.count() == 8 and own.criteria.all()[0].levels.count() == 4
    assert rubrics.rubric_for(other_course).criteria.all()[0].name == "Age-appropriate vocabulary and language"


def test_what_was_handed_in_keeps_its_version_and_new_submissions_use_the_newest(client, course, team, run, member):
    before = submissions.submit(team=team, run=run, person=member)
    frozen = rubrics.draft_of(before.rubric).content_hash
    edited(client, course, **{"form-1-weight": "3"})
    before.refresh_from_db()
    assert before.rubric.course is None and rubrics.draft_of(before.rubric).content_hash == frozen
    after = submissions.submit(team=team, run=make_run(team), person=member)
    assert after.rubric == course.rubrics.get() and after.rubric.criteria.all()[1].weight == 3
    edited(client, course, **{"form-1-weight": "4"})
    after.refresh_from_db()
    assert after.rubric.criteria.all()[1].weight == 3 and course.rubrics.count() == 2
    assert after.bundle["rubric"]["sha256"] == rubrics.draft_of(after.rubric).content_hash


@pytest.mark.parametrize(
    ("changes", "edit"),
    [
        ({"form-0-name": "Words", "form-0-explanation": "What it says."}, rubrics.Edit.COSMETIC),
        ({"form-0-anchor_1": "Like a book."}, rubrics.Edit.MEANING),
        ({"form-0-label_1": "Bananas"}, rubrics.Edit.MEANING),
        ({"form-0-anchor_1": "Like a book.", "meaning": "new"}, rubrics.Edit.MEANING),
        ({"form-0-anchor_1": "Like a book.", "meaning": "same"}, rubrics.Edit.COSMETIC),
        ({"form-0-ORDER": "2", "form-1-ORDER": "1"}, rubrics.Edit.COSMETIC),
        ({"form-0-weight": "2"}, rubrics.Edit.STRUCTURAL),
        ({"form-7-DELETE": "on"}, rubrics.Edit.STRUCTURAL),
        ({f"form-{n}-{part}_4": "" for n in range(8) for part in ("label", "anchor")}, rubrics.Edit.STRUCTURAL),
    ],
)
def test_wording_and_order_are_told_apart_from_a_change_of_structure(client, course, changes, edit):
    edited(client, course, **changes)
    row = rubrics.history(course)[0]
    assert row.edit is edit
    assert edit in client.get(url(course, "rubric_detail")).content.decode()


def test_the_preview_says_what_a_changed_level_does_to_the_scores(client, course):
    page = edited(client, course, **{"form-0-anchor_1": "Like a book.", "preview": "yes"}).content.decode()
    assert rubrics.Edit.MEANING in page
    page = edited(client, course, **{"form-0-anchor_1": "Like a book.", "meaning": "same", "preview": "yes"})
    assert rubrics.Edit.COSMETIC in page.content.decode()


def test_an_older_version_that_is_used_again_means_what_it_meant(client, course, instructor):
    edited(client, course, **{"form-0-name": "Words"})
    first = rubrics.rubric_for(course)
    edited(client, course, **{"form-0-anchor_1": "Like a book."})
    changed = rubrics.rubric_for(course)
    again = rubrics.use_again(course=course, version=first, person=instructor)
    meanings = [one.criteria.all()[0].meaning for one in (first, changed, again)]
    assert meanings[0] == meanings[2] != meanings[1]


def test_a_new_order_is_kept_and_tags_still_find_their_criterion(client, course):
    edited(client, course, **{"form-0-ORDER": "9"})
    assert [one.key for one in rubrics.rubric_for(course).criteria.all()][-1] == "vocabulary"


def test_a_new_criterion_is_added_at_the_end(client, course):
    levels = {f"form-8-{part}_{n}": f"{part} {n}" for n in range(1, 5) for part in ("label", "anchor")}
    edited(client, course, **{"form-8-name": "Humour", "form-8-explanation": "Jokes.", **levels})
    added = rubrics.rubric_for(course).criteria.all()[8]
    assert added.name == "Humour" and added.levels.count() == 4
    assert added.key not in {one.key for one in RubricVersion.objects.get(course=None).criteria.all()}


def test_saving_without_a_change_makes_no_version(client, course):
    edited(client, course)
    assert not course.rubrics.exists()


def test_the_preview_shows_what_was_written_and_saves_nothing(client, course):
    page = edited(client, course, **{"form-0-name": "Only looked at", "preview": "yes"}).content.decode()
    assert "Preview, not saved yet" in page and page.count("Only looked at") >= 2
    assert not course.rubrics.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"form-0-anchor_4": ""}, "Each level needs a label and a sentence"),
        ({"form-0-label_4": "", "form-0-anchor_4": ""}, "the same number of levels"),
        ({f"form-0-{part}_{n}": "" for n in (2, 3, 4) for part in ("label", "anchor")}, "two levels at least"),
        ({"form-0-weight": "0"}, "greater than or equal to 1"),
        ({"form-1-name": "age-appropriate VOCABULARY and language"}, "the same name"),
        ({f"form-{n}-DELETE": "on" for n in range(8)}, "a criterion at least"),
        ({"form-0-part": "nonsense"}, "not one of the available choices"),
        ({"name": ""}, "required"),
    ],
)
def test_a_rubric_that_cannot_be_graded_with_is_refused_with_what_was_written(client, course, changes, said):
    response = edited(client, course, **changes)
    assert response.status_code == 422 and said in response.content.decode()
    assert not course.rubrics.exists()


def test_a_form_without_its_parts_is_refused(client, course):
    assert client.post(url(course, "rubric_edit"), {"name": "x"}).status_code == 422
    assert not course.rubrics.exists()


def test_of_two_instructors_who_edit_at_once_neither_overwrites_the_other(client, course):
    address = url(course, "rubric_edit")
    mine, theirs = (filled(client.get(address), **{"form-0-name": name}) for name in ("Mine", "Theirs"))
    client.post(address, mine)
    response = client.post(address, theirs)
    assert response.status_code == 409 and "Theirs" in response.content.decode()
    assert course.rubrics.count() == 1
    client.post(address, filled(response, **{"form-0-name": "Theirs"}))
    assert [one.criteria.all()[0].name for one in course.rubrics.order_by("number")] == ["Mine", "Theirs"]


def test_an_older_version_or_the_built_in_one_is_used_again_as_a_new_version(client, course):
    edited(client, course, **{"form-0-name": "Words"})
    built_in = RubricVersion.objects.get(course=None)
    client.post(url(course, "rubric_use", rubric_id=built_in.pk))
    newest = rubrics.rubric_for(course)
    assert newest.number == 3 and rubrics.draft_of(newest) == rubrics.draft_of(built_in)


def test_another_courses_version_is_not_found(client, course, other_course, instructor):
    built_in = RubricVersion.objects.get(course=None)
    theirs = rubrics.use_again(course=other_course, version=built_in, person=instructor)
    assert client.get(url(course, "rubric_version", rubric_id=theirs.pk)).status_code == 404
    assert client.post(url(course, "rubric_use", rubric_id=theirs.pk)).status_code == 404


@pytest.mark.parametrize("model", [RubricVersion, InterviewScript])
def test_a_number_is_given_once_in_a_course_and_once_among_what_ships(course, model):
    model.objects.create(course=course, number=1, name="Ours")
    for owner in (course, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.create(course=owner, number=1, name="Again")


def test_a_script_is_copied_and_edited_as_a_new_version(client, course, other_course):
    address = url(course, "script_edit")
    changes = {"form-0-question": "What is 9 + 9?", "form-0-right": "18|Eighteen\n|\n", "form-1-DELETE": "on"}
    client.post(address, filled(client.get(address), "questions", **changes))
    made, shipped = script_for(course), script_for(other_course)
    first = made.questions.all()[0]
    assert (made.number, made.course) == (1, course)
    assert first.question == "What is 9 + 9?" and first.right == ["18|eighteen"]
    assert made.questions.count() == shipped.questions.count() - 1
    assert "What is 9 + 9?" in client.get(url(course, "script_detail")).content.decode()


def test_a_script_without_questions_or_parts_is_refused(client, course):
    address = url(course, "script_edit")
    page = client.get(address)
    all_gone = {f"form-{n}-DELETE": "on" for n in range(len(page.context["questions"]) - 1)}
    response = client.post(address, filled(page, "questions", **all_gone))
    assert response.status_code == 422 and "a question at least" in response.content.decode()
    assert client.post(address, {}).status_code == 422
    assert not course.interview_scripts.exists()


def test_the_script_that_ships_is_used_again(client, course, instructor):
    shipped = script_for(course)
    short = scripts.ScriptDraft("Short", scripts.draft_of(shipped).questions[:3])
    scripts.save_version(course=course, draft=short, based_on=shipped, person=instructor)
    assert script_for(course).questions.count() == 3
    client.post(url(course, "script_use", script_id=shipped.pk))
    assert script_for(course).number == 2 and script_for(course).questions.count() == shipped.questions.count()
