"""What is sent by a button (a revision, calibration levels) outlives every fault too, and is sent by that button only."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Page, expect

from evaluation.anchor_interviews import TRANSCRIPTS
from evaluation.anchors import CRITERIA
from evaluation.models import Calibration, Grade, GradeRevision
from evaluation.services import calibration, grades
from tests.e2e.desk_device import sign_in, sign_out
from tests.e2e.marks_walk import Walk
from tests.e2e.test_lost_work import grading, walk  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


def closed(at: Walk, url: str) -> Page:
    at.page.close()
    return opened(at, url)


def crashed(at: Walk, url: str) -> Page:
    with suppress(Error):
        at.page.goto("chrome://crash", timeout=2_000)
    return closed(at, url)


def left_while_offline(at: Walk, url: str) -> Page:
    with at.no_connection():
        at.page.close()
    return opened(at, url)


def signed_out_and_in(at: Walk, url: str) -> Page:
    other = at.device.context.new_page()
    sign_out(other)
    sign_in(other, at.person)
    other.close()
    return at.page


def opened(at: Walk, url: str) -> Page:
    at.page = at.device.context.new_page()
    at.page.goto(url)
    at.device.later(200)
    return at.page


def press(at: Walk, button: str, url: str) -> None:
    """The server fails first, then there is no connection; it arrives when that is back, and once."""
    at.page.route(f"**{url}", lambda route: _fail(route) if route.request.method == "POST" else route.continue_())
    at.page.get_by_role("button", name=button).click()
    expect(at.page.locator("#progress")).to_contain_text("Not saved")
    at.page.unroute(f"**{url}")
    with at.no_connection():
        at.device.later(10 * 60_000)
        expect(at.page.locator("#progress")).to_contain_text("Not saved yet: no connection.")
    at.device.later(5_000)


def _fail(route) -> None:
    """It is stored, and the answer says something else."""
    with suppress(Error):  # the next try was under way when the server was well again
        route.fetch()
        route.fulfill(status=502, body="broken")


FAULTS = (closed, crashed, left_while_offline, signed_out_and_in)


def test_a_revision_outlives_every_fault_and_is_stored_once(walk: Callable[[int], Walk]) -> None:  # noqa: F811
    at = walk(1)
    grade = Grade.objects.select_related("grading__grader__person").get(grading=at.grading)
    grades.commit(grade=grade, seen_version=grade.version, person=at.person)
    url = f"{at.address}revise/"
    at.page.goto(url)
    for number, fault in enumerate(FAULTS):
        level, words = str(number % 4 + 1), f"Better than I thought, {number} times."
        at.page.locator(f"input[name=flow-level][value='{level}']").check()
        at.page.get_by_label("Overall").fill(words)
        page = fault(at, url)
        expect(page.get_by_label("Overall")).to_have_value(words)
        expect(page.locator(f"input[name=flow-level][value='{level}']")).to_be_checked()
        assert GradeRevision.objects.count() == 1, "nothing is sent by itself"
    at.page.get_by_label("Why do you change it?").fill("I read it again.")
    press(at, "Save as a new revision", url)
    expect(at.page.get_by_role("link", name="Change the grade")).to_be_visible()
    assert GradeRevision.objects.get(number=2).comment == words
    assert GradeRevision.objects.count() == 2
    at.page.goto(url)
    expect(at.page.get_by_label("Why do you change it?")).to_have_value("")


def test_a_calibration_level_outlives_every_fault(walk: Callable[[int], Walk]) -> None:  # noqa: F811
    at = walk(1)
    url = f"/courses/{at.grading.submission.team.course_id}/calibration/1/"
    at.page.goto(url)
    for number, fault in enumerate(FAULTS):
        level = str(number % 4 + 1)
        at.page.locator(f"#criterion-vocabulary input[value='{level}']").check()
        at.page.locator("#criterion-flow input[value='2']").check()
        page = fault(at, url)
        expect(page.locator(f"#criterion-vocabulary input[value='{level}']")).to_be_checked()
        expect(page.locator("#criterion-flow input[value='2']")).to_be_checked()
        assert not Calibration.objects.exists(), "nothing is sent by itself"
    press(at, "Keep my level for Age-appropriate", f"{url}vocabulary/")
    expect(at.page.get_by_text(f"You: level {level}")).to_be_visible()
    expect(at.page.locator("#criterion-flow input[value='2']")).to_be_checked()
    assert dict(Calibration.objects.get().levels.values_list("criterion_key", "level")) == {"vocabulary": int(level)}


def test_what_this_device_kept_waits_for_the_calibration_that_became_required_meanwhile(
    walk: Callable[[int], Walk],  # noqa: F811
) -> None:
    at = walk(1)
    with at.no_connection():
        at.opened(0).locator("textarea").fill("Written on the train.")
        at.page.close()
        course = at.grading.submission.team.course
        calibration.require(course=course, required=True, person=at.person)
    at.reopen()
    expect(at.page.get_by_text("Your course asks you to calibrate")).to_be_visible()
    expect(at.page.get_by_text("put back when you have calibrated")).to_be_visible()
    for anchor in TRANSCRIPTS:
        for key in CRITERIA:
            calibration.choose(grader=at.grading.grader, anchor=anchor, key=key, level=2)
    at.page.close()
    at.reopen()
    expect(at.page.get_by_label("What the team should know")).to_have_value("Written on the train.")
    expect(at.page.locator("#progress")).to_contain_text("Saved")
    assert Grade.objects.get(grading=at.grading).comment == "Written on the train."
