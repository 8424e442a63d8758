"""Random walks over a grading page while everything around it fails: what was entered is what is stored in the end."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from django.contrib.sessions.models import Session
from playwright.sync_api import BrowserContext, Error, Locator, Page, Route, expect

from evaluation.models import CriterionScore, Grade, Grading
from teams.models import User
from tests import factories

SAVES = ("**/criteria/*/", "**/grading/*/comment/")
CRITERIA = 8


def sign_in(page: Page, person: User) -> None:
    page.goto("/sign-in/")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def answer_500(route: Route) -> None:
    route.fulfill(status=500, body="broken")


def lose_the_answer(route: Route) -> None:
    """The server stores it, and the line breaks before it can say so."""
    with suppress(Error):  # of a window that was closed meanwhile
        route.fetch()
        route.abort()


@dataclass
class Walk:
    """One professor at one bot. `wanted`: by criterion position (0: overall), what is to be stored: (level, comment)."""

    context: BrowserContext
    person: User
    grading: Grading
    seed: int
    wanted: dict[int, tuple[str, str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        course = self.grading.submission.team.course_id
        self.address = f"/courses/{course}/grading/{self.grading.code}/"
        self.page = self.open()

    def open(self) -> Page:
        page = self.context.new_page()
        page.goto(self.address)
        expect(page.locator("form[data-keep][data-learnt]").first).to_be_attached()
        return page

    # what she does

    def criterion(self, place: int) -> str:
        return f"[data-criterion] >> nth={place - 1}"

    def opened(self, place: int) -> Locator:
        """One criterion of the desk is open at a time."""
        found = self.page.locator("#overall" if place == 0 else self.criterion(place))
        found.evaluate("one => { one.open = true }")
        return found

    def choose(self) -> None:
        place, level = self.draw.randint(1, CRITERIA), str(self.draw.randint(1, 4))
        self.opened(place).locator(f"input[name=level][value='{level}']").check()
        self.wanted[place] = (level, self.wanted.get(place, ("", ""))[1])

    def write(self) -> None:
        place, words = self.draw.randint(0, CRITERIA), f"word {self.draw.randint(100, 999)} "
        box = self.opened(place).locator("textarea")
        before = self.wanted.get(place, ("", ""))
        box.press("End")
        box.press_sequentially(words)
        self.wanted[place] = (before[0], before[1] + words)

    # what goes wrong

    def sign_out_and_in_elsewhere(self) -> None:
        other = self.context.new_page()
        other.goto("/notices/")
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
        self.write()
        sign_in(other, self.person)
        other.close()

    def expire(self) -> None:
        """She works on, sees what the bar says, and signs in again in the window that it opens."""
        Session.objects.all().delete()
        self.choose()  # is refused while she writes on: no key may be lost to what opens then
        self.write()
        self.write()
        self.page.get_by_role("link", name="Sign in in a new window").wait_for()
        with self.context.expect_page() as opened:
            self.page.get_by_role("link", name="Sign in in a new window").click()
        window = opened.value
        window.get_by_label("E-mail").fill(self.person.email)
        window.get_by_label("Password").fill(factories.PASSWORD)
        window.get_by_role("button", name="Sign in", exact=True).click()
        window.get_by_role("heading", name="You are signed in again").wait_for()
        window.close()
        expect(self.page.locator("#sign-in-again")).to_be_hidden()

    def offline(self) -> None:
        self.context.set_offline(True)
        self.write()
        self.choose()
        expect(self.page.get_by_text("Not saved yet: no connection.")).to_be_visible()
        self.context.set_offline(False)

    def server_error(self) -> None:
        self._failing(answer_500, "Not saved yet: the server has a problem.")

    def lost_answer(self) -> None:
        self._failing(lose_the_answer, "Not saved yet: no connection.")

    def _failing(self, fault: Callable[[Route], None], said: str) -> None:
        for pattern in SAVES:
            self.page.route(pattern, fault)
        self.choose()
        self.write()
        expect(self.page.get_by_text(said)).to_be_visible()
        for pattern in SAVES:
            self.page.unroute(pattern)

    def close_in_mid_word(self) -> None:
        self.write()
        self.page.close()
        self.page = self.open()

    def close_while_offline(self) -> None:
        self.context.set_offline(True)
        self.write()
        self.page.close()
        self.context.set_offline(False)
        self.page = self.open()

    def crash(self) -> None:
        """The window dies without a word. What it had written to the device is there."""
        self.write()
        with suppress(Error):
            self.page.goto("chrome://crash")
        self.page.close()
        self.page = self.open()

    # the end

    FAULTS = (
        "sign_out_and_in_elsewhere",
        "expire",
        "offline",
        "server_error",
        "lost_answer",
        "close_in_mid_word",
        "close_while_offline",
        "crash",
    )

    def go(self, steps: int) -> None:
        for _ in range(steps):
            act = self.draw.choice(("choose", "write", *self.FAULTS))
            self.said.append(act)
            getattr(self, act)()
        self.settle()

    def settle(self) -> None:
        """Until the page says that everything is saved."""
        self.page.wait_for_function("() => window.drafts && drafts.unsaved().length === 0", timeout=60_000)
        expect(self.page.locator("#progress")).to_contain_text("Saved")
        expect(self.page.locator("#progress")).not_to_have_class("not-saved")

    def stored(self) -> dict[int, tuple[str, str]]:
        grade = Grade.objects.get(grading=self.grading)
        scores = CriterionScore.objects.filter(grade=grade).select_related("criterion")
        found = {score.criterion.position: (str(score.level or ""), score.comment) for score in scores}
        found[0] = ("", grade.comment)
        return {place: state for place, state in found.items() if state != ("", "")}
