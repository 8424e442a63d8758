"""At a presentation: a note gets its time, and survives what a mark on the desk survives."""

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect
from pytest_django.live_server_helper import LiveServer

from evaluation.models import CriterionScore, Hearing, UnappliedSave
from teams.models import Role, User
from tests import factories
from tests.e2e.desk_device import sign_in, wait_for
from tests.world import World, make_world

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world(redis_server: str) -> World:
    course = factories.make_course()
    team = factories.make_team(course, "Maple", factories.make_person("Mia Member"))
    professor = factories.make_person("Paula Professor", "paula@example.edu")
    factories.enrol(course, professor, Role.PROFESSOR)
    made = make_world(team, professor, "marked")
    UnappliedSave.objects.all().delete()
    return made


@pytest.fixture
def context(live_server: LiveServer, browser: Browser, world: World) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=live_server.url)
    context.set_default_timeout(60_000)
    page = context.new_page()
    sign_in(page, User.objects.get(email="paula@example.edu"))
    page.close()
    yield context
    context.close()


def opened(context: BrowserContext, hearing: Hearing) -> Page:
    page = context.new_page()
    page.goto(f"/courses/{hearing.listener.course_id}/presentations/{hearing.code}/")
    expect(page.locator("form[data-keep][data-learnt]").first).to_be_attached()
    return page


def stored(hearing: Hearing, key: str) -> CriterionScore:
    return CriterionScore.objects.get(grade__hearing=hearing, criterion__key=key)


def test_a_note_begins_with_the_clocks_time_and_survives_a_crash_and_a_lost_connection(
    context: BrowserContext, world: World
) -> None:
    page = opened(context, world.hearing)
    page.get_by_role("button", name="Start the clock").click()
    page.locator("#criterion-flow summary").click()
    box = page.locator("#comment-flow")
    box.press_sequentially("Says hm.\nWanders off.")
    expect(box).to_have_value(re.compile(r"^\d:\d\d Says hm\.\n\d:\d\d Wanders off\.$"))
    page.locator("#criterion-flow input[value='3']").check()
    expect(page.locator("#progress")).to_contain_text("1 of 8 criteria")
    context.set_offline(True)
    box.press("End")
    box.press_sequentially("\nComes back.")
    expect(page.get_by_text("Not saved yet: no connection.")).to_be_visible()
    wanted = box.input_value()
    with suppress(Error):
        page.goto("chrome://crash")
    page.close()
    context.set_offline(False)
    page = opened(context, world.hearing)
    expect(page.locator("#progress")).to_contain_text("Saved")
    expect(page.locator("[data-run]")).to_have_text("Stop")
    expect(page.locator("#comment-flow")).to_have_value(wanted)
    wait_for(page, "drafts.unsaved().length === 0")
    kept = stored(world.hearing, "flow")
    assert (kept.level, kept.comment) == (3, wanted)
    assert not UnappliedSave.objects.exists()


def test_without_the_clock_a_note_has_the_time_of_day_and_a_pasted_one_keeps_its_own(
    context: BrowserContext, world: World
) -> None:
    page = opened(context, world.hearing)
    box = page.locator("#comment-overall")
    box.press_sequentially("A frog.")
    expect(box).to_have_value(re.compile(r"^\d{1,2}:\d\d A frog\.$"))
    box.fill("")
    box.fill("4:05 By hand.")
    expect(box).to_have_value("4:05 By hand.")


def test_it_fits_a_small_screen(context: BrowserContext, world: World) -> None:
    page = opened(context, world.hearing)
    for width, height in ((1280, 800), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
