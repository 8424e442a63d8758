"""Random walks over the grading desk while everything around it fails: what was entered is what is stored in the end.

A walk is a list of steps, and each step draws its details from a seed of its own: a step can be left out, and the others
stay as they were. So a walk that fails is made shorter by leaving steps out (`shortest`).
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from playwright.sync_api import Error, Locator, Page, Route, expect

from evaluation.models import CriterionScore, Grade, Grading, Turn, TurnCorrection, TurnTag, UnappliedSave
from evaluation.services import gradings
from evaluation.services.tags import LABELS
from teams.models import User
from tests import factories
from tests.e2e.desk_device import Device, sign_in, wait_for
from tests.e2e.walk_plan import Step

CRITERIA = 8
FIRST_ANSWERS = 3  # that a walk marks: they are there when it begins
UNSAVED = "() => window.drafts && window.drafts.unsaved().length"
SAVES = "**/grading/*/**"


@dataclass
class Entered:
    """What is to be stored. Marks by criterion's position (0: overall): (level, comment); tags, better answers by turn."""

    marks: dict[int, tuple[str, str]] = field(default_factory=dict)
    tags: set[tuple[int, str]] = field(default_factory=set)
    better: dict[int, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)


def stored_of(grading: Grading) -> Entered:
    """What is stored now."""
    grade = Grade.objects.get(grading=grading)
    scores = CriterionScore.objects.filter(grade=grade).select_related("criterion")
    marks = {score.criterion.position: (str(score.level or ""), score.comment) for score in scores}
    marks[0] = ("", grade.comment)
    talk = gradings.interview_of(grading).turns.current()
    return Entered(
        {place: state for place, state in marks.items() if state != ("", "")},
        set(TurnTag.objects.filter(grading=grading).values_list("turn__position", "label")),
        dict(TurnCorrection.objects.filter(grading=grading).values_list("turn__position", "answer")),
        list(talk.filter(position__gt=FIRST_ANSWERS).order_by("position").values_list("question", flat=True)),
    )


class Walk:
    """One professor at one bot, on one device. `wanted`: what is to be stored in the end."""

    ENTRIES = ("choose", "write", "tag", "own_tag", "better", "ask")
    FAULTS = (
        "sign_out_and_in_elsewhere",
        "expire",
        "expire_and_sign_in_elsewhere",
        "offline",
        "ten_minutes_offline",
        "server_error",
        "refused",
        "sent_elsewhere",
        "lost_answer",
        "close_in_mid_word",
        "close_while_offline",
        "crash",
        "second_window",
        "two_windows_at_one_place",
    )

    def __init__(self, device: Device, person: User, grading: Grading) -> None:
        self.device, self.person, self.grading = device, person, grading
        self.wanted = stored_of(grading)
        self.draw = random.Random(0)
        self.address = f"/courses/{grading.submission.team.course_id}/grading/{grading.code}/"
        self.page = self.open()

    def open(self) -> Page:
        page = self.device.context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(self.address)
        self.device.later(200)
        expect(page.locator("form[data-keep][data-learnt]").first).to_be_attached()
        return page

    def reopen(self) -> None:
        self.page = self.open()

    # what she does

    def enter(self, times: int = 2) -> None:
        for _ in range(times):
            getattr(self, self.draw.choice(self.ENTRIES))()

    def opened(self, place: int) -> Locator:
        """One criterion of the desk is open at a time."""
        found = self.page.locator("#overall" if place == 0 else f"[data-criterion] >> nth={place - 1}")
        found.evaluate("one => { one.open = true }")
        return found

    def choose(self) -> None:
        place, level = self.draw.randint(1, CRITERIA), str(self.draw.randint(1, 4))
        self.opened(place).locator(f"input[name=level][value='{level}']").press("Space")
        self.wanted.marks[place] = (level, self.wanted.marks.get(place, ("", ""))[1])

    def write(self) -> None:
        place, words = self.draw.randint(0, CRITERIA), f"word {self.draw.randint(100, 999)} "
        self._type(self.opened(place).locator("textarea"), words)
        level, before = self.wanted.marks.get(place, ("", ""))
        self.wanted.marks[place] = (level, before + words)

    def _type(self, box: Locator, words: str) -> None:
        """At the end of what stands there, in two pieces: a form may be replaced in between."""
        for part in (words[:4], words[4:]):
            box.press("Control+End")
            box.press_sequentially(part)

    def answer(self) -> tuple[int, Locator]:
        """One of the first answers: its position, and its place on the page."""
        number = self.draw.randint(1, FIRST_ANSWERS)
        return number, self.page.locator(f"#talk .exchange >> nth={number - 1}")

    def tag(self) -> None:
        number, exchange = self.answer()
        label = self.draw.choice(LABELS)
        button, wanted = exchange.locator(f".tags button[value='{label}']"), (number, label) not in self.wanted.tags
        while button.get_attribute("aria-pressed") != str(wanted).lower():
            button.press("Enter")  # once more where the answer was rendered anew in this moment
        self.wanted.tags ^= {(number, label)}

    def own_tag(self) -> None:
        number, exchange = self.answer()
        label = f"own {self.draw.randint(100, 999)}"
        exchange.locator(".own-tag").evaluate("one => { one.open = true }")
        box = exchange.locator(".own-tag input[name=label]")
        box.fill(label)
        while box.input_value():  # once more where the talk was rendered anew in this moment
            exchange.locator(".own-tag").evaluate("one => { one.open = true }")
            exchange.locator(".own-tag button").press("Enter")
        self.wanted.tags |= {(number, label)}

    def better(self) -> None:
        number, exchange = self.answer()
        exchange.locator("details.better").evaluate("one => { one.open = true }")
        words = f" child {self.draw.randint(100, 999)}"
        self._type(exchange.locator("details.better textarea"), words)
        before = self.wanted.better.get(number, "")
        self.wanted.better[number] = (before + words).strip()

    def ask(self) -> None:
        """One question at a time: while one has not left the box, she does something else."""
        box = self.page.locator("#question")
        if box.input_value() or self.page.locator(".exchange[sse-connect]").count():
            return self.write()
        question = f"What is {self.draw.randint(1000, 9999)} + 1?"
        box.press_sequentially(question[:6])
        box.press_sequentially(question[6:])
        box.press("Enter")
        self.wanted.questions.append(question)
        return None

    # what goes wrong while she does

    def sign_out_and_in_elsewhere(self) -> None:
        other = self.device.context.new_page()
        other.goto("/notices/")
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
        self.enter()
        sign_in(other, self.person)
        other.close()
        self._until_it_goes_on()

    def _expire(self) -> Locator:
        self.person.refresh_from_db()
        self.device.context.clear_cookies(name="sessionid")
        self.choose()  # is refused while she goes on: no key may be lost to what opens then
        self.enter()
        dialog = self.page.locator("#sign-in-again")
        self._until(lambda: dialog.is_visible(), "the dialog opens")
        return dialog

    def expire(self) -> None:
        """She works on, sees what the bar says, and signs in in the dialog that opens."""
        dialog = self._expire()
        dialog.get_by_label("Password").fill(factories.PASSWORD)
        dialog.get_by_role("button", name="Sign in and go on").click()
        expect(dialog).to_be_hidden()

    def expire_and_sign_in_elsewhere(self) -> None:
        """In the window that the dialog's link opens, for a university's own sign-in."""
        dialog = self._expire()
        with self.device.context.expect_page() as opened:
            dialog.get_by_role("link", name="Sign in in a new window").click()
        window = opened.value
        window.get_by_label("E-mail").fill(self.person.email)
        window.get_by_label("Password").fill(factories.PASSWORD)
        window.get_by_role("button", name="Sign in", exact=True).click()
        window.get_by_role("heading", name="You are signed in again").wait_for()
        window.close()
        self._until_it_goes_on()
        expect(dialog).to_be_hidden()

    @contextmanager
    def no_connection(self) -> Iterator[None]:
        self.device.context.set_offline(True)
        yield
        self.device.context.set_offline(False)

    def offline(self, milliseconds: int = 5_000) -> None:
        with self.no_connection():
            self.choose()
            self.enter()
            self.device.later(milliseconds)
            expect(self.page.locator("#progress")).to_contain_text("Not saved yet: no connection.")

    def ten_minutes_offline(self) -> None:
        self.offline(10 * 60_000)

    def server_error(self) -> None:
        self._failing(
            lambda route: route.fulfill(status=500, body="broken"), "Not saved yet: the server has a problem."
        )

    def refused(self) -> None:
        self._failing(lambda route: route.fulfill(status=403, body="no"), "Not saved: the server did not take it.")

    def sent_elsewhere(self) -> None:
        elsewhere = {"Location": "/notices/"}
        self._failing(
            lambda route: route.fulfill(status=302, headers=elsewhere), "Not saved: the server did not take it."
        )

    def lost_answer(self) -> None:
        self._failing(_lose_the_answer, "Not saved yet: no connection.")

    def _failing(self, fault: Callable[[Route], None], said: str) -> None:
        self.page.route(SAVES, lambda route: fault(route) if route.request.method == "POST" else route.continue_())
        self.choose()
        self.enter()
        self.device.later(2_500)
        expect(self.page.locator("#progress")).to_contain_text(said)
        self.page.unroute(SAVES)

    def close_in_mid_word(self) -> None:
        self.enter()
        self.page.close()
        self.reopen()

    def close_while_offline(self) -> None:
        with self.no_connection():
            self.enter()
            self.page.close()
        self.reopen()

    def crash(self) -> None:
        """The window dies without a word."""
        self.enter()
        with suppress(Error):
            self.page.goto("chrome://crash", timeout=2_000)
        self.page.close()
        self.reopen()

    def kill(self) -> None:
        """The whole browser dies while there is no connection: only what was on the disk is left."""
        with self.no_connection():
            self.enter(3)
            wait_for(self.page, "window.drafts.onDisk()")
            self.device.kill()
        page = self.device.context.new_page()
        page.goto("/notices/")  # not the desk, which would send what it finds while it is closed again
        if page.locator("#again-password").count() == 0 and page.get_by_label("Password").count():
            sign_in(page, self.person)  # a browser writes its cookies to the disk half a minute later
        page.close()
        self.reopen()

    def second_window(self) -> None:
        """She goes on in another window, and closes the first one."""
        self.enter()
        first = self.page
        self.settle()
        self.reopen()
        self.enter()
        first.close()

    def two_windows_at_one_place(self) -> None:
        """Both are kept, and she takes the second one."""
        self.settle()
        first, second = self.page, self.open()
        words = f"from the second window {self.draw.random()}"
        self.opened(0).locator("textarea").fill("from the first window")
        self.settle()
        self.page = second
        self.opened(0).locator("textarea").fill(words)
        self._until(
            lambda: second.locator("#overall").get_by_text("Both are kept; choose one.").is_visible(), "a choice"
        )
        assert UnappliedSave.objects.get(grade__grading=self.grading, resolved_at=None).comment == words
        first.close()
        second.get_by_role("button", name="Use this one").click()
        second.wait_for_load_state()
        self.device.later(200)
        self.wanted.marks[0] = ("", words)

    # the end

    def _until(self, done: Callable[[], bool], what: str) -> None:
        """Let time go by until it is so; the server's own time is waited for, the page's is moved on."""
        for _ in range(2_000):  # a busy machine is no failure
            if done():
                return
            self.device.later(1_000)
            self.page.wait_for_timeout(20)
        raise AssertionError(
            f"it never came to this: {what}; the bar says: {self.page.locator('#progress').inner_text()}"
        )

    def _until_it_goes_on(self) -> None:
        self._until(lambda: not self.page.locator("#sign-in-again").is_visible(), "the page goes on")

    def settle(self) -> None:
        """Until the page says that everything is saved. A question that is back in its box she asks again."""
        self._until(lambda: self.page.evaluate(UNSAVED) == 0, "everything is saved")
        self._until(self._asked, "the question is asked")
        bar = self.page.locator("#progress")
        self._until(lambda: "not-saved" not in (bar.get_attribute("class") or ""), "the bar is quiet")

    def _asked(self) -> bool:
        if self.page.locator(".exchange[sse-connect]").count():
            return False
        box = self.page.locator("#question")
        if not box.input_value():
            return True
        if not self.page.locator("#ask.htmx-request").count():
            box.press("Enter")
        return False

    def play(self, steps: list[Step]) -> None:
        """Every step, and then what is stored is what was entered. Raises AssertionError naming the steps."""
        said: list[str] = []
        try:
            for step in steps:
                said.append(str(step))
                self.draw = random.Random(step.seed)
                getattr(self, step.act)()
            self.settle()
            self.compare()
        except (AssertionError, Error) as error:
            raise AssertionError(f"{' '.join(said)}\n{error}") from error

    def compare(self) -> None:
        stored = stored_of(self.grading)
        entered = {place: state for place, state in self.wanted.marks.items() if state != ("", "")}
        assert stored.marks == entered, f"marks: stored {stored.marks}, entered {entered}"
        for name in ("tags", "better", "questions"):
            there, wanted = getattr(stored, name), getattr(self.wanted, name)
            assert there == wanted, f"{name}: stored {there}, entered {wanted}"
        assert not UnappliedSave.objects.filter(grade__grading=self.grading, resolved_at=None).exists(), "with herself"


def _lose_the_answer(route: Route) -> None:
    """The server stores it, and the line breaks before it can say so."""
    with suppress(Error):  # of a window that was closed meanwhile
        route.fetch()
        route.abort()


def add_first_answers(grading: Grading) -> None:
    """So that there is something to mark."""
    talk = gradings.interview_of(grading)
    for position in range(talk.turns.count() + 1, FIRST_ANSWERS + 1):
        Turn.objects.create(
            conversation=talk,
            position=position,
            question=f"What is {position} + 5?",
            answer="Um, eight?",
            status="done",
        )
