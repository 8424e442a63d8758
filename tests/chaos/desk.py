"""Random walks over the grading desk in a real browser, in front of the real platform: what was entered is what is stored.

`make chaos` does 2,000 of them (`--walks`). A walk that fails is shortened, and its seed and steps are printed; it is
played again by `python -m tests.chaos.run desk desk-walks --steps "choose:12 expire:7"`.
"""

import os
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from evaluation.models import CriterionScore, Grade, Grading, TurnCorrection, TurnTag, UnappliedSave
from evaluation.services import gradings, submissions
from teams.models import BudgetAccount, Method, Role, User
from tests import factories
from tests.chaos.processes import wait_for
from tests.chaos.scene import Row, Scene
from tests.e2e.conftest import chromium
from tests.e2e.desk_device import Device, sign_in
from tests.e2e.marks_walk import FIRST_ANSWERS, Walk, add_first_answers
from tests.e2e.walk_plan import Step, parse, plan, shortest

STEPS = 2
WALKS_A_PAGE = 20  # then the bot is as it was, so that no box is full
PLENTY = 10**12  # micro-dollars: questions cost
ACTS = (*Walk.ENTRIES, *Walk.FAULTS, "kill")


def play(scene: Scene, name: str, walks: int, steps: str) -> list[Row]:
    """`steps`: one walk of just these, as a failure printed them; else `walks` random ones."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop runs in this thread
    scene.platform.wait_until_whole()
    scene.provider.set_faults()
    grading, professor = _bot_to_grade(scene)
    url = f"http://localhost:{scene.platform.port}"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        table = Table(browser, url, Path(folder), professor, grading)
        plans = [parse(steps)] if steps else [plan(seed, STEPS, ACTS) for seed in range(walks)]
        broken = table.play(plans)
        browser.close()
    outcome = (
        f"{table.done} walks of up to {STEPS} faults, nothing lost" if not broken else f"lost in walk {table.done}"
    )
    return [Row("desk", name, outcome, 0, 0, len(scene.platform.strays()), 0, broken)]


def _bot_to_grade(scene: Scene) -> tuple[Grading, User]:
    """A bot that the platform's provider answers for, and its professor."""
    BudgetAccount.objects.update(limit=PLENTY)
    professor = factories.make_person("Paula Professor")
    factories.enrol(scene.team.course, professor, Role.PROFESSOR)
    factories.assign(scene.team, professor)
    wait_for(scene.rows_may_leave, "the name model does not look through the rows")
    submissions.submit(team=scene.team, run=scene.bot_of(Method.OPENAI), person=scene.person)
    grading = Grading.objects.select_related("submission__team", "submission__rubric", "grader__person").get(
        grader__person=professor, submission__replaced_at=None
    )
    return grading, professor


def _as_it_was(grading: Grading) -> None:
    """Nothing marked, nothing asked but the first answers."""
    UnappliedSave.objects.filter(grade__grading=grading).delete()
    TurnTag.objects.filter(grading=grading).delete()
    TurnCorrection.objects.filter(grading=grading).delete()
    gradings.interview_of(grading).turns.filter(position__gt=FIRST_ANSWERS).delete()
    CriterionScore.objects.filter(grade__grading=grading).update(level=None, cannot_judge=False, comment="")
    Grade.objects.filter(grading=grading).update(comment="")
    add_first_answers(grading)


class Table:
    """One device after the other, with many walks on each."""

    def __init__(self, browser: Browser, url: str, folder: Path, professor: User, grading: Grading) -> None:
        self.browser, self.url, self.folder = browser, url, folder
        self.professor, self.grading = professor, grading
        self.done = self.profiles = 0

    def play(self, plans: list[list[Step]]) -> str:
        """Empty, or what was lost, with the fewest steps that lose it."""
        walk: Walk | None = None
        for steps in plans:
            if walk is None or self.done % WALKS_A_PAGE == 0:
                self._leave(walk)
                walk = self._begin()
            self.done += 1
            if said := self._failure(walk, steps):
                self._leave(walk)
                return self._shortened(steps, said)
            if self.done % 100 == 0:
                print(f"        desk-walks: {self.done} done", flush=True)
        self._leave(walk)
        return ""

    def _begin(self) -> Walk:
        _as_it_was(self.grading)
        self.profiles += 1
        device = Device(self.browser, self.url, self.folder / str(self.profiles))
        page = device.context.new_page()
        sign_in(page, self.professor)
        page.close()
        return Walk(device, self.professor, self.grading)

    @staticmethod
    def _leave(walk: Walk | None) -> None:
        if walk is not None:
            walk.device.close()

    @staticmethod
    def _failure(walk: Walk, steps: list[Step]) -> str:
        try:
            walk.play(steps)
        except AssertionError as error:
            return str(error)
        return ""

    def _fails(self, steps: list[Step]) -> bool:
        walk = self._begin()
        said = self._failure(walk, steps)
        self._leave(walk)
        return bool(said)

    def _shortened(self, steps: list[Step], said: str) -> str:
        shown = " ".join(str(step) for step in (shortest(self._fails, steps) if self._fails(steps) else steps))
        return f"walk with seed {self.done - 1}; steps: {shown}; {said}"
