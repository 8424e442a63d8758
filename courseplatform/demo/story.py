"""The weeks that the demo course has behind it, lived through once by the platform's own parts, in the background.

Each step looks first whether it is done, so that a story that was broken off goes on at the next start. Bots that were trained
beforehand come in as archives, as any team could bring them; talks, votes, the interview, the grade and one training are made here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from django.core.files.uploadedfile import SimpleUploadedFile

from courseplatform.demo import archives, runs, state, talks
from courseplatform.demo.scene import (
    CourseGone,
    Scene,
    StoryStopped,
    ended,
    wait_for,
    wait_for_run,
    wait_until,
)
from evaluation.models import Comparison, Interview, InterviewStatus
from evaluation.services import interviews
from evaluation.services.chat import ChatRefused
from evaluation.services.comparing import CompareRefused
from evaluation.services.grades import CannotCommit
from evaluation.services.interviews import InterviewRefused
from evaluation.services.releases import CannotRelease
from evaluation.services.submissions import CannotSubmit
from teams.models import ArchiveKind, ArchiveStatus, Course, Team, User
from teams.services import archive_imports
from teams.services.archive_imports import OneAtATime
from teams.services.disk import DiskFull
from teams.services.money import BudgetRefused
from teams.services.prices import PriceUnknown
from training.models import RunStatus, TrainingRun
from training.services import cancel
from training.services.cancel import CannotStop
from training.services.endpoints import NotReady
from training.services.launch import LaunchRefused

REFUSED = (
    *(
        BudgetRefused,
        CannotCommit,
        CannotRelease,
        CannotSubmit,
        ChatRefused,
        CompareRefused,
        DiskFull,
    ),
    *(InterviewRefused, LaunchRefused, NotReady, OneAtATime, PriceUnknown),
)
MADE_ROOM = "Made room for a run that a person started; the demo begins it again when the machine is free."
DEMO_COURSE = "EDEL 4620"
MAPLE = "Maple"
BIRCH = "Birch"
PEOPLE = {"mia": "maple", "ben": "birch", "professor": "professor", "instructor": "instructor"}


@dataclass(frozen=True)
class Step:
    words: str
    is_done: Callable[[Scene], bool]
    do: Callable[[Scene], None]


def scene_of_demo() -> Scene | None:
    """None where the demo course is not there (any more)."""
    people = {
        name: User.objects.filter(email=f"{at}@demo.example").first()
        for name, at in PEOPLE.items()
    }
    instructor = people["instructor"]
    course = (
        Course.objects.filter(name=DEMO_COURSE, memberships__person=instructor)
        .order_by("pk")
        .first()
    )
    if course is None:
        return None
    teams = {team.name: team for team in course.teams.select_related("course")}
    found = {name: person for name, person in people.items() if person is not None}
    if len(found) < len(people) or not {MAPLE, BIRCH} <= teams.keys():
        return None
    return Scene(course=course, maple=teams[MAPLE], birch=teams[BIRCH], **found)


def tell(scene: Scene, told: Callable[[str], None]) -> None:
    """All steps that are not done yet, in order. A step that cannot be done is said, and the others go on without it."""
    before = state.of_course(scene.course.pk)
    if before is not None and before.over and not before.stopped:
        return  # all of it happened at an earlier start
    progress = state.Progress(scene.course.pk, 0, len(STEPS))
    for number, step in enumerate(STEPS):
        progress = replace(progress, done=number, doing=step.words)
        if number and state.read() is None:
            return  # removed meanwhile
        state.write(progress)
        if step.is_done(scene):
            continue
        told(f"Demo, {number + 1} of {len(STEPS)}: {step.words}")
        try:
            step.do(scene)
        except CourseGone:
            return
        except (StoryStopped, runs.NotPossible, *REFUSED) as why:
            told(f"Demo: {step.words} was left out. {why}")
            progress = replace(
                progress, stopped=f"{progress.stopped} {step.words}: {why}".strip()[:500]
            )
    state.write(replace(progress, done=len(STEPS), doing=""))


def _bring(team: Team, person: User, name: str) -> None:
    """From the archive that comes with the platform, by the door that any archive comes in. Raises StoryStopped."""
    path = archives.file_of(name)
    if not path.is_file():
        raise StoryStopped(f"{path.name} is not there; `make demo-archives` makes it anew.")
    file = SimpleUploadedFile(path.name, path.read_bytes())
    import_ = archive_imports.receive(kind=ArchiveKind.RUN, person=person, team=team, file=file)

    def over() -> bool:
        import_.refresh_from_db()
        return not import_.is_at_work

    wait_until(over)
    if import_.status != ArchiveStatus.DONE:
        raise StoryStopped(import_.refusal)


def _train_when_free(team: Team, person: User, name: str) -> None:
    """A person's run goes before: this one begins while nobody trains, and makes room when somebody wants to."""
    while True:
        wait_until(lambda: not TrainingRun.objects.active().exists())
        run = runs.start(team=team, person=person, name=name)
        if not _makes_room(run, person):
            wait_for_run(run)
            return


def _makes_room(run: TrainingRun, person: User) -> bool:
    """True where somebody wanted to train meanwhile, and it was stopped for them."""
    wait_until(lambda: ended(run) or _somebody_waits(run))
    if not ended(run):
        _make_room(run, person)
    wait_for(run)
    return run.status == RunStatus.CANCELLED


def _somebody_waits(run: TrainingRun) -> bool:
    return TrainingRun.objects.filter(status=RunStatus.QUEUED).exclude(pk=run.pk).exists()


def _make_room(run: TrainingRun, person: User) -> None:
    try:
        cancel.cancel(run=run, person=person)
    except CannotStop:
        return  # it is over: there is room
    TrainingRun.objects.filter(pk=run.pk).update(note=MADE_ROOM)


def _interview(scene: Scene) -> None:
    run = scene.run(scene.maple, runs.LORA)
    made = interviews.newest_of(run)
    if made is None or made.status == InterviewStatus.FAILED:
        made = interviews.start(run=run, person=scene.mia)
    wait_for(made)
    if made.status != InterviewStatus.DONE:
        raise StoryStopped(made.error_message)


def _interviewed(scene: Scene) -> bool:
    run = scene.find(scene.maple, runs.LORA)
    return (
        run is not None
        and Interview.objects.for_team(scene.maple)
        .filter(run=run, status=InterviewStatus.DONE)
        .exists()
    )


def _voted(scene: Scene) -> bool:
    return Comparison.objects.for_team(scene.maple).filter(votes__isnull=False).count() >= len(
        talks.COMPARED
    )


def _compare(scene: Scene) -> None:
    bots = [scene.run(scene.maple, runs.LORA), scene.run(scene.maple, runs.DSPY)]
    talks.vote_blind(scene.maple, scene.mia, bots)


def _released(scene: Scene) -> bool:
    handed_in = scene.submission(scene.birch)
    return handed_in is not None and handed_in.released_at is not None


def _result(scene: Scene) -> None:
    """Birch hands in, the professor grades, the instructor releases."""
    if scene.submission(scene.birch) is None:
        talks.hand_in(scene.run(scene.birch, runs.LORA), scene.ben)
    talks.grade(scene)
    talks.release(scene)


def _talked(scene: Scene) -> bool:
    return False  # each question looks by itself whether it was asked


STEPS = (
    Step(
        "Maple’s DSPy program comes in from its archive",
        lambda scene: scene.find(scene.maple, runs.DSPY) is not None,
        lambda scene: _bring(scene.maple, scene.mia, runs.DSPY),
    ),
    Step(
        "Maple’s LoRA bot comes in from its archive",
        lambda scene: scene.find(scene.maple, runs.LORA) is not None,
        lambda scene: _bring(scene.maple, scene.mia, runs.LORA),
    ),
    Step(
        "Birch’s LoRA bot comes in from its archive",
        lambda scene: scene.find(scene.birch, runs.LORA) is not None,
        lambda scene: _bring(scene.birch, scene.ben, runs.LORA),
    ),
    Step(
        "Mia talks with Maple’s bot",
        _talked,
        lambda scene: talks.talk(scene.run(scene.maple, runs.LORA), scene.mia),
    ),
    Step("Birch’s bot is handed in, graded and released", _released, _result),
    Step(
        "Maple hands in its bot, for the professor to grade",
        lambda scene: scene.submission(scene.maple) is not None,
        lambda scene: talks.hand_in(scene.run(scene.maple, runs.LORA), scene.mia),
    ),
    Step("Mia compares two bots blind", _voted, _compare),
    Step("The standard interview of Maple’s bot", _interviewed, _interview),
    Step(
        "Maple’s OpenAI job trains on this machine",
        lambda scene: scene.find(scene.maple, runs.OPENAI) is not None,
        lambda scene: _train_when_free(scene.maple, scene.mia, runs.OPENAI),
    ),
)
