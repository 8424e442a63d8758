"""A presentation lifts blindness for itself: a professor who compares it with her grading list finds no bot's team by it."""

import re
from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evaluation.models import (
    Conversation,
    Counting,
    Grade,
    GradeStatus,
    Grading,
    Hearing,
    RubricVersion,
    SecondLook,
    Submission,
    Turn,
    UnappliedSave,
)
from evaluation.services import grades, gradings, hearings, presenting
from evaluation.services.presenting import Rule
from teams.models import User
from tests import factories
from tests.evaluation.conftest import answers_at_once, model_server  # noqa: F401  (fixtures)
from tests.security.test_blind_source import SECRETS, Cast, cast, tokens  # noqa: F401  (a fixture)

MARKUP = re.compile(r"<[^>]+>")
WAITS = "You can talk with this bot here when all your blind grades are submitted"


def hearing_of(made: Cast, team: str) -> Hearing:
    return Hearing.objects.select_related("grade", "listener__course", "presentation__team").get(
        listener__person=made.one, presentation__team__name=team
    )


def page_of(hearing: Hearing, part: str = "") -> str:
    return reverse("hearing_detail", args=[hearing.listener.course_id, hearing.code]) + part


def grade_all_blind(made: Cast, *, long_ago: bool = True) -> None:
    """Everything blind of the first professor is done."""
    UnappliedSave.objects.all().delete()
    SecondLook.objects.update(given_at=timezone.now(), level=2)
    for grading in Grading.objects.filter(grader__person=made.one).select_related("grade", "grader__person"):
        grades.commit(grade=grading.grade, seen_version=grading.grade.version, person=made.one)
    if long_ago:
        Grade.objects.filter(grading__isnull=False).update(committed_at=timezone.now() - timedelta(minutes=5))


def talk_at_once(made: Cast) -> None:
    presenting.set_rule(course=made.course, rule=Rule(Counting.WITHIN, talk_at_once=True), person=made.one)


def test_she_hears_no_bot_before_all_her_blind_work_is_done_for_good(
    cast: Cast,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    hearing, client = hearing_of(cast, "Zanzibarites"), client_for(cast.one)
    turn = Conversation.objects.filter(hearing=hearing).get().turns.get()
    urls = [page_of(hearing, f"talk/turns/{turn.key}/{part}") for part in ("", "events/")]

    def is_closed() -> bool:
        page = client.get(page_of(hearing)).content.decode()
        refused = client.post(page_of(hearing, "talk/"), {"question": "What is ice?"})
        assert [client.get(url).status_code for url in urls] == [refused.status_code] * 2
        assert (WAITS in page) == (refused.status_code == 409) == ("quokka!" not in page)
        return refused.status_code == 409

    assert is_closed()
    grade_all_blind(cast, long_ago=False)
    assert is_closed(), "for half a minute she can still take a grade back"
    grade_all_blind(cast)
    SecondLook.objects.filter(reader=hearing.listener).update(given_at=None)
    assert is_closed(), "a second look is blind too"
    assert hearing.talks.get().turns.count() == 1, "and nothing was asked"


def test_the_page_of_a_team_that_handed_in_a_bot_is_that_of_one_that_did_not(
    cast: Cast,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    """Else she would know that none of her bots is the other team's."""
    late = factories.make_team(cast.course, "Latecomers", factories.make_person("Lara Late"))
    session = hearing_of(cast, "Zanzibarites").presentation.session
    presenting.add_team(session=session, team=late, person=cast.one)
    with_bot, without = hearing_of(cast, "Zanzibarites"), None
    hearings.heard_by(with_bot.listener)
    without = hearing_of(cast, "Latecomers")
    UnappliedSave.objects.all().delete()

    def said(hearing: Hearing) -> str:
        html = client_for(cast.one).get(page_of(hearing)).content.decode()
        text = MARKUP.sub(" ", SECRETS.sub("", html)).replace(hearing.presentation.team.name, "TEAM")
        return re.sub(r"\s+", " ", re.sub(r"\d+:\d+|[Nn]umber \d", "", text))

    assert said(with_bot) == said(without)


def test_a_hearing_has_the_courses_criteria_whatever_version_the_bot_is_graded_by(
    cast: Cast,  # noqa: F811
) -> None:
    """Else a bot that was handed in before the rubric changed would be told by its words."""
    changed = RubricVersion.objects.create(course=cast.course, number=9, name="Changed meanwhile")
    for criterion in cast.first.submission.rubric.criteria.all():
        criterion.pk, criterion.rubric = None, changed
        criterion.save()
    assert not Submission.objects.filter(rubric=changed).exists()
    Hearing.objects.all().delete()
    listener = cast.course.memberships.get(person=cast.one)
    hearings.heard_by(listener)
    for hearing in Hearing.objects.filter(listener=listener):
        assert {score.criterion.rubric_id for score in hearing.grade.scores.select_related("criterion")} == {changed.pk}


def test_nothing_that_stands_on_a_presentation_stands_on_the_blind_pages(
    cast: Cast,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    """Codes, keys and letters, also while the talk is open before the grades are in."""
    talk_at_once(cast)
    client, course = client_for(cast.one), cast.course.pk
    hearing = hearing_of(cast, "Zanzibarites")
    asked = client.post(page_of(hearing, "talk/"), {"question": "What is ice?"})
    assert asked.status_code == 302
    queue = reverse("grading_queue", args=[course])
    mine = Grading.objects.filter(grader__person=cast.one)
    blind_paths = [queue, *(reverse("grading_detail", args=[course, one.code]) for one in mine)]
    blind_paths += [f"{path}?show=standard" for path in blind_paths[1:]]
    open_paths = [reverse("presentation_list", args=[course])]
    open_paths += [page_of(hearing_of(cast, name)) for name in ("Zanzibarites", "Quetzalians")]
    blind = set().union(*(tokens(client, path) for path in blind_paths))
    shown = set().union(*(tokens(client, path) for path in open_paths))
    everywhere = tokens(client, reverse("calibration_list", args=[course]))
    assert len(blind) > 10 and len(shown) > 3, "there must be something to compare"
    keys = {one for one in blind & shown - everywhere if not one.isalpha() and "-" in one and len(one) == 36}
    assert keys == set()
    for path in open_paths:
        page = MARKUP.sub(" ", client.get(path).content.decode())
        assert not re.search(r"\bBot [A-Z]{1,3}\b", page), path
    for path in blind_paths:
        page = client.get(path).content.decode().lower()
        assert not [name for name in cast.teams if name in page], path
        assert str(hearing.code) not in page


def test_a_talk_at_a_presentation_is_no_part_of_her_blind_interview(
    cast: Cast,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    talk_at_once(cast)
    hearing, client = hearing_of(cast, "Zanzibarites"), client_for(cast.one)
    grading = Grading.objects.get(grader__person=cast.one, submission__team=hearing.presentation.team)
    before = [entry.questions for entry in gradings.queue_for(hearing.listener)]
    client.post(page_of(hearing, "talk/"), {"question": "Where do whales sleep?"})
    assert [entry.questions for entry in gradings.queue_for(hearing.listener)] == before
    desk = client.get(reverse("grading_detail", args=[cast.course.pk, grading.code])).content.decode()
    assert "whales" not in desk
    turn = hearing.talks.get().turns.latest("position")
    for part in ("", "events/", "stop/", "retry/", "tag/"):
        url = reverse("interview_ask", args=[cast.course.pk, grading.code]) + f"turns/{turn.key}/{part}"
        assert client.get(url).status_code in (404, 405) and client.post(url, {"label": "great"}).status_code in (
            404,
            405,
        )
    own = gradings.interview_of(grading).turns.latest("position")
    assert client.get(page_of(hearing, f"talk/turns/{own.key}/")).status_code == 404


def test_a_failing_bot_says_at_a_presentation_no_more_than_on_the_desk(
    cast: Cast,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    talk_at_once(cast)
    hearing, client = hearing_of(cast, "Zanzibarites"), client_for(cast.one)
    talk = hearing.talks.get()
    turn = Turn.objects.create(
        conversation=talk, position=9, question="Hm?", status="failed", error_message="No key for gpt-5 at openai."
    )
    page = client.get(page_of(hearing)).content.decode().lower()
    assert str(turn.key) in page and "openai" not in page and "gpt-5" not in page


def test_another_professors_notes_and_talk_are_nobody_elses(
    cast: Cast,  # noqa: F811
    client_for: Callable[[User | None], Client],
) -> None:
    hearing = hearing_of(cast, "Zanzibarites")
    hearing.presentation.session.listeners.add(cast.course.memberships.get(person=cast.other))
    client = client_for(cast.other)
    assert client.get(reverse("presentation_list", args=[cast.course.pk])).status_code == 200
    for part in ("", "revise/"):
        assert client.get(page_of(hearing, part)).status_code == 404
    for part in ("commit/", "comment/", "criteria/flow/", "talk/"):
        sent = {"level": "1", "version": "0", "comment": "x", "question": "x"}
        assert client.post(page_of(hearing, part), sent).status_code == 404
    assert Grade.objects.get(hearing=hearing).status == GradeStatus.DRAFT
