"""Marks are never lost under "Saved": each fault alone, and short random walks over all of them (`make chaos` has long ones)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Browser, Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from evaluation.models import Grading, Turn, TurnStatus, UnappliedSave
from evaluation.services import answering, gradings
from teams.models import Role, User
from tests import factories
from tests.e2e.desk_device import Device, sign_in, sign_out
from tests.e2e.marks_walk import SAVES, Walk, add_first_answers, stored_of
from tests.e2e.walk_plan import plan
from tests.world import make_world

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.django_db(transaction=True)]
WALKS, STEPS = 2, 3


@pytest.fixture
def grading(live_server: LiveServer, redis_server: str, monkeypatch: pytest.MonkeyPatch) -> Grading:
    """A bot that a professor is to grade; it answers at once."""

    def answer(turn_id: int) -> None:
        Turn.objects.filter(pk=turn_id).update(status=TurnStatus.DONE, answer="Um, I don't know.")

    monkeypatch.setattr(answering.desk, "start", answer)
    course = factories.make_course()
    team = factories.make_team(course, "Maple", factories.make_person("Mia Member"))
    professor = factories.make_person("Paula Professor", "paula@example.edu")
    factories.enrol(course, professor, Role.PROFESSOR)
    world = make_world(team, professor, "marked")
    UnappliedSave.objects.all().delete()
    gradings.ensure_gradings(course=course)
    found = Grading.objects.select_related("submission__team", "submission__rubric", "grader__person").get(
        pk=world.grading.pk
    )
    found.corrections.all().delete()
    add_first_answers(found)
    return found


def walk_on(device: Device, grading: Grading) -> Walk:
    person = User.objects.get(pk=grading.grader.person_id)
    page = device.context.new_page()
    sign_in(page, person)
    page.close()
    return Walk(device, person, grading)


@pytest.fixture
def walk(live_server: LiveServer, browser: Browser, grading: Grading) -> Iterator[Callable[[int], Walk]]:
    """A professor at a bot of hers, in a browser of her own."""
    device = Device(browser, live_server.url)
    yield lambda _: walk_on(device, grading)
    device.close()


@pytest.fixture
def mortal(live_server: LiveServer, browser: Browser, grading: Grading, tmp_path: Path) -> Iterator[Walk]:
    """In a browser that can be killed."""
    device = Device(browser, live_server.url, tmp_path / "profile")
    yield walk_on(device, grading)
    device.close()


@pytest.mark.parametrize("fault", Walk.FAULTS)
def test_what_was_entered_is_stored_after(fault: str, walk: Callable[[int], Walk]) -> None:
    at = walk(1)
    at.enter()
    getattr(at, fault)()
    at.settle()
    at.compare()


def test_a_browser_that_is_killed_while_offline_loses_nothing(mortal: Walk) -> None:
    for act in (mortal.choose, mortal.write, mortal.tag, mortal.better):
        act()
    mortal.settle()
    mortal.kill()
    mortal.settle()
    mortal.compare()


def test_steady_typing_is_saved_while_it_goes_on(walk: Callable[[int], Walk]) -> None:
    """Not only in its first pause."""
    at = walk(1)
    box = at.opened(0).locator("textarea")
    with at.page.expect_response(lambda response: "/comment/" in response.url and response.ok):
        for _ in range(12):
            box.press_sequentially("never a pause ", delay=30)
    box.press_sequentially("the end")
    at.wanted.marks[0] = ("", box.input_value())
    at.settle()
    at.compare()


def test_another_person_at_the_same_browser_gets_none_of_it(walk: Callable[[int], Walk]) -> None:
    """What is kept on a device belongs to whom it was written by."""
    at = walk(1)
    context = at.device.context
    with at.no_connection():
        at.write()
        expect(at.page.get_by_text("Not saved yet: no connection.")).to_be_visible()
        at.page.close()
    course = at.grading.submission.team.course
    stranger = factories.make_person("Quinn Professor", "quinn@example.edu")
    factories.enrol(course, stranger, Role.PROFESSOR)
    page = context.new_page()
    sign_out(page)
    sign_in(page, stranger)
    before = stored_of(at.grading)  # what was on its way when the page closed may have arrived, as its writer's own
    page.goto(at.address)
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    assert stored_of(at.grading) == before
    sign_out(page)
    sign_in(page, at.person)
    at.reopen()
    at.settle()
    at.compare()


def test_her_open_page_saves_nothing_as_somebody_else_and_goes_on_when_she_is_back(walk: Callable[[int], Walk]) -> None:
    at = walk(1)
    stranger = factories.make_person("Quinn Professor", "quinn@example.edu")
    factories.enrol(at.grading.submission.team.course, stranger, Role.PROFESSOR)
    page = at.device.context.new_page()
    sign_out(page)
    sign_in(page, stranger)
    before = stored_of(at.grading)
    at.enter(4)
    dialog = at.page.locator("#sign-in-again")
    at._until(dialog.is_visible, "the dialog opens")
    at.device.later(60_000)
    assert stored_of(at.grading) == before
    dialog.get_by_label("Password").fill("not this one")
    dialog.get_by_role("button", name="Sign in and go on").click()
    expect(dialog.get_by_text("That did not work.")).to_be_visible()
    dialog.get_by_label("Password").fill(factories.PASSWORD)
    dialog.get_by_role("button", name="Sign in and go on").click()
    expect(dialog).to_be_hidden()
    at.settle()
    at.compare()


def test_two_devices_lose_nothing_to_each_other(
    walk: Callable[[int], Walk], live_server: LiveServer, browser: Browser
) -> None:
    """A better answer on the tablet while the laptop wrote another; a tag on each."""
    laptop = walk(1)
    tablet = walk_on(Device(browser, live_server.url), laptop.grading)
    laptop.page.locator("details.better").first.evaluate("one => { one.open = true }")
    laptop.page.locator("details.better textarea").first.fill("From the laptop.")
    laptop.page.locator(".tags button[value='great']").first.click()
    laptop.settle()
    tablet.page.locator("details.better").first.evaluate("one => { one.open = true }")
    tablet.page.locator("details.better textarea").first.fill("From the tablet.")
    tablet.page.locator(".tags button[value='out of character']").first.click()
    tablet._until(tablet.page.get_by_text("Both are kept; choose one.").is_visible, "a choice")
    assert stored_of(laptop.grading).better[1] == "From the laptop."
    assert UnappliedSave.objects.get().comment == "From the tablet."
    tablet.page.get_by_role("button", name="Use this one").click()
    tablet.page.wait_for_load_state()
    stored = stored_of(laptop.grading)
    assert stored.better[1] == "From the tablet."
    assert stored.tags == {(1, "great"), (1, "out of character")}
    tablet.device.close()


def test_a_question_that_was_changed_after_its_answer_was_lost_is_asked_as_well(walk: Callable[[int], Walk]) -> None:
    """The first one arrived, though the page was not told so."""
    at = walk(1)
    at.page.route("**/talk/", lambda route: (route.fetch(), route.abort())[0])
    box = at.page.locator("#question")
    box.fill("What is 2 + 3?")
    box.press("Enter")
    expect(at.page.locator("#progress")).to_contain_text("Not saved yet: no connection.")
    at.page.unroute("**/talk/")
    box.press("End")
    box.press_sequentially(" And 3 + 2?")
    at.wanted.questions = ["What is 2 + 3?", "What is 2 + 3? And 3 + 2?"]
    at.settle()
    at.compare()


BOXES = [("o", "Your own words"), ("b", "What a second-grader would have said.")]


@pytest.mark.parametrize(("key", "label"), BOXES)
def test_she_goes_on_typing_where_she_types_while_a_tag_arrives(
    key: str, label: str, walk: Callable[[int], Walk]
) -> None:
    page = walk(1).page
    on_its_way: list[Route] = []
    page.route("**/tag/", lambda route: on_its_way.append(route))
    with page.expect_request("**/tag/"):
        for pressed in ("t", "1", key):
            page.keyboard.press(pressed)
    types_on(page, label, on_its_way, page.locator("[id^=evidence-]", has_text="1 tagged").first)


@pytest.mark.parametrize(("key", "label"), BOXES)
def test_she_goes_on_typing_where_she_types_while_a_question_arrives(
    key: str, label: str, walk: Callable[[int], Walk]
) -> None:
    """What comes replaces the whole talk, and the box in it."""
    page = walk(1).page
    on_its_way: list[Route] = []
    page.route("**/talk/", lambda route: on_its_way.append(route))
    with page.expect_request("**/talk/"):
        page.locator("#question").fill("What is 2 + 3?")
        page.locator("#question").press("Enter")
    page.locator("#question").press("Escape")
    page.locator(".tags button").last.focus()
    page.keyboard.press(key)
    types_on(page, label, on_its_way, page.get_by_text("What is 2 + 3?", exact=True).first)


def types_on(page: Page, label: str, on_its_way: list[Route], arrived: Locator) -> None:
    """She writes a word; what is on its way comes in the middle of it."""
    box = page.get_by_label(label).and_(page.locator(":focus"))
    page.keyboard.type("robot")
    expect(box).to_have_value("robot")
    page.keyboard.press("ArrowLeft")
    on_its_way.pop().continue_()
    expect(arrived).to_be_attached()
    page.keyboard.type("ooo")
    expect(box).to_have_value("roboooot")


def test_a_tag_that_was_rendered_before_a_save_does_not_hide_the_choice(
    walk: Callable[[int], Walk], live_server: LiveServer, browser: Browser
) -> None:
    """Two devices wrote different better answers; the answer to her tag is older than the answer to her save."""
    laptop = walk(1)
    tablet = walk_on(Device(browser, live_server.url), laptop.grading)
    laptop.page.locator("details.better").first.evaluate("one => { one.open = true }")
    laptop.page.locator("details.better textarea").first.fill("From the laptop.")
    laptop.settle()
    late: list[tuple[Route, APIResponse]] = []
    tablet.page.route("**/tag/", lambda route: late.append((route, route.fetch())))
    tablet.page.locator("details.better").first.evaluate("one => { one.open = true }")
    with tablet.page.expect_request("**/tag/"):
        tablet.page.locator(".tags button[value='great']").first.click()
    tablet._until(lambda: bool(late), "the tag is stored")
    tablet.page.locator("details.better textarea").first.fill("From the tablet.")
    choice = tablet.page.get_by_text("Both are kept; choose one.")
    tablet._until(choice.is_visible, "a choice")
    route, answer = late.pop()
    route.fulfill(response=answer)
    expect(tablet.page.locator("[id^=evidence-]", has_text="1 tagged").first).to_be_attached()
    expect(choice).to_be_visible()
    tablet.device.close()


def test_what_a_window_leaves_behind_is_saved_by_the_one_that_was_open_beside_it(walk: Callable[[int], Walk]) -> None:
    """Not only by the next one that opens."""
    at = walk(1)
    context, first = at.device.context, at.page
    context.route(SAVES, lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    at.write()
    at.better()
    at.reopen()
    first.close()
    context.unroute(SAVES)
    at._until(lambda: stored_of(at.grading) == at.wanted, "the window that is left saves it")
    at.settle()
    at.compare()


def test_what_is_under_way_when_its_form_is_rendered_anew_is_saved_though_the_line_breaks(
    walk: Callable[[int], Walk],
) -> None:
    """Nobody hears of a request whose form has left the page, and what she took back meanwhile may be stored."""
    at = walk(1)
    page, exchange = at.page, at.page.locator("#talk .exchange").first
    box = exchange.locator("details.better textarea")
    exchange.locator("details.better").evaluate("one => { one.open = true }")
    box.fill("ten")
    at.settle()
    held: list[Route] = []
    page.route("**/correction/", lambda route: held.append(route))
    for words in ("ten or more", "ten"):
        box.fill(words)
        at.device.later(2_500)
        rendered_anew(exchange)
        at.device.later(200)
    at._until(lambda: len(held) > 2, "a save of every form that was there")
    rendered_anew(exchange)
    at.device.later(200)
    for route in held:
        route.abort()
    page.unroute("**/correction/")
    at.wanted.better[1] = "ten"
    at.settle()
    at.compare()


def rendered_anew(exchange: Locator) -> None:
    """As when the answer to a question or to a tag comes."""
    exchange.evaluate(
        """one => {
        const saves = one.querySelector("details.better form").action;
        return htmx.ajax("GET", saves.replace("correction/", ""), { target: one, swap: "outerHTML" });
        }"""
    )


@pytest.mark.parametrize("seed", range(WALKS))
def test_a_random_walk_of_faults_loses_nothing(seed: int, walk: Callable[[int], Walk]) -> None:
    walk(seed).play(plan(seed, STEPS, Walk.FAULTS))
