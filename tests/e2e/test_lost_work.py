"""Marks are never lost under "Saved": each fault alone, and short random walks over all of them (`make chaos` has long ones)."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Error, expect
from pytest_django.live_server_helper import LiveServer

from evaluation.anchor_interviews import TRANSCRIPTS
from evaluation.anchors import CRITERIA
from evaluation.models import Calibration, Grade, GradeRevision, Grading, UnappliedSave
from evaluation.services import calibration, grades
from evaluation.services.gradings import ensure_gradings
from teams.models import Role, User
from tests import factories
from tests.e2e.marks_walk import Walk, sign_in
from tests.e2e.test_cockpit import beside_playwrights_loop  # noqa: F401  (a fixture)
from tests.world import make_world

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]
WALKS, STEPS = 2, 5


@pytest.fixture
def walk(live_server: LiveServer, browser: Browser, redis_server: str) -> Iterator[Callable[[int], Walk]]:
    """A professor at a bot of hers, in a browser of her own."""
    course = factories.make_course()
    student = factories.make_person("Mia Member")
    team = factories.make_team(course, "Maple", student)
    professor = factories.make_person("Paula Professor", "paula@example.edu")
    factories.enrol(course, professor, Role.PROFESSOR)
    world = make_world(team, professor, "marked")
    UnappliedSave.objects.all().delete()
    ensure_gradings(course=course)
    grading = Grading.objects.select_related("submission__team").get(pk=world.grading.pk)
    context = browser.new_context(base_url=live_server.url)
    context.set_default_timeout(60_000)
    page = context.new_page()
    sign_in(page, User.objects.get(pk=professor.pk))
    page.close()
    yield lambda seed: Walk(context, professor, grading, seed)
    context.close()


@pytest.mark.parametrize("fault", Walk.FAULTS)
def test_what_was_entered_is_stored_after(fault: str, walk: Callable[[int], Walk]) -> None:
    at = walk(1)
    at.choose()
    getattr(at, fault)()
    at.settle()
    assert at.stored() == at.wanted
    assert not UnappliedSave.objects.exists(), "and not as a conflict with herself"


def test_steady_typing_is_saved_while_it_goes_on(walk: Callable[[int], Walk]) -> None:
    """Not only in its first pause."""
    at = walk(1)
    box = at.opened(0).locator("textarea")
    with at.page.expect_response(lambda response: "/comment/" in response.url and response.ok):
        for _ in range(12):
            box.press_sequentially("never a pause ", delay=30)
    box.press_sequentially("the end")
    at.wanted[0] = ("", box.input_value())
    at.settle()
    assert at.stored() == at.wanted


def test_two_windows_lose_nothing_to_each_other(walk: Callable[[int], Walk]) -> None:
    at = walk(1)
    other = at.open()
    at.opened(0).locator("textarea").fill("from the first")
    at.settle()
    other.locator("#overall").evaluate("one => { one.open = true }")
    other.locator("#overall textarea").fill("from the second")
    expect(other.get_by_text("Both are kept; choose one.")).to_be_visible()
    kept = UnappliedSave.objects.get()
    assert {kept.comment, at.stored()[0][1]} == {"from the first", "from the second"}


def test_another_person_at_the_same_browser_gets_none_of_it(walk: Callable[[int], Walk]) -> None:
    """What is kept on a device belongs to whom it was written by."""
    at = walk(1)
    at.context.set_offline(True)
    at.write()
    expect(at.page.get_by_text("Not saved yet: no connection.")).to_be_visible()
    at.page.close()
    at.context.set_offline(False)
    course = at.grading.submission.team.course
    stranger = factories.make_person("Quinn Professor", "quinn@example.edu")
    factories.enrol(course, stranger, Role.PROFESSOR)
    page = at.context.new_page()
    page.goto("/notices/")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, stranger)
    before = at.stored()  # what was on its way when the page closed may have arrived, as its writer's own
    page.goto(at.address)
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    assert at.stored() == before
    page.goto("/notices/")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, at.person)
    at.page = at.open()
    at.settle()
    assert at.stored() == at.wanted


def test_a_revision_survives_closing_and_signing_out_and_is_sent_by_hand_only(walk: Callable[[int], Walk]) -> None:
    at = walk(1)
    grade = Grade.objects.select_related("grading__grader__person").get(grading=at.grading)
    grades.commit(grade=grade, seen_version=grade.version, person=at.person)
    url = f"{at.address}revise/"
    at.page.goto(url)
    at.page.locator("input[name=flow-level][value='4']").check()
    at.page.get_by_label("Overall").fill("Better than I thought.")
    at.page.close()
    at.page = at.context.new_page()
    at.page.goto(url)
    expect(at.page.get_by_label("Overall")).to_have_value("Better than I thought.")
    expect(at.page.locator("input[name=flow-level][value='4']")).to_be_checked()
    assert GradeRevision.objects.count() == 1, "nothing is sent by itself"
    at.page.get_by_label("Why do you change it?").fill("I read it again.")
    at.page.get_by_role("button", name="Save as a new revision").click()
    expect(at.page.get_by_role("link", name="Change the grade")).to_be_visible()
    assert GradeRevision.objects.get(number=2).comment == "Better than I thought."
    at.page.goto(url)
    expect(at.page.get_by_label("Why do you change it?")).to_have_value("")


def test_a_calibration_level_survives_a_crash_and_is_sent_by_hand_only(walk: Callable[[int], Walk]) -> None:
    at = walk(1)
    url = f"/courses/{at.grading.submission.team.course_id}/calibration/1/"
    at.page.goto(url)
    at.page.locator("#criterion-vocabulary input[value='3']").check()
    with suppress(Error):
        at.page.goto("chrome://crash")
    at.page.close()
    at.page = at.context.new_page()
    at.page.goto(url)
    expect(at.page.locator("#criterion-vocabulary input[value='3']")).to_be_checked()
    assert not Calibration.objects.exists()
    at.page.locator("#criterion-flow input[value='2']").check()
    at.page.get_by_role("button", name="Keep my level for Age-appropriate").click()
    expect(at.page.get_by_text("You: level 3")).to_be_visible()
    expect(at.page.locator("#criterion-flow input[value='2']")).to_be_checked()
    assert Calibration.objects.get().levels.count() == 1


def test_what_this_device_kept_waits_for_the_calibration_that_became_required_meanwhile(
    walk: Callable[[int], Walk],
) -> None:
    at = walk(1)
    at.context.set_offline(True)
    at.page.locator("#overall summary").click()
    at.page.get_by_label("What the team should know").fill("Written on the train.")
    at.page.close()
    course = at.grading.submission.team.course
    calibration.require(course=course, required=True, person=at.person)
    at.context.set_offline(False)
    at.page = at.open()
    expect(at.page.get_by_text("Your course asks you to calibrate")).to_be_visible()
    expect(at.page.get_by_text("put back when you have calibrated")).to_be_visible()
    for anchor in TRANSCRIPTS:
        for key in CRITERIA:
            calibration.choose(grader=at.grading.grader, anchor=anchor, key=key, level=2)
    at.page.close()
    at.page = at.open()
    expect(at.page.get_by_label("What the team should know")).to_have_value("Written on the train.")
    expect(at.page.locator("#progress")).to_contain_text("Saved")
    assert Grade.objects.get(grading=at.grading).comment == "Written on the train."


@pytest.mark.parametrize("seed", range(WALKS))
def test_a_random_walk_of_faults_loses_nothing(seed: int, walk: Callable[[int], Walk]) -> None:
    at = walk(seed)
    at.go(STEPS)
    assert at.stored() == at.wanted, at.said
    assert not UnappliedSave.objects.exists(), at.said
