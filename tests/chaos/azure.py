"""A provider of Azure's kind that fails at one step of a run: whatever it does there, what was paid for ends usable.

The same five columns as for runs, and then its bot is asked a question, by the name of its deployment.
"""

from dataclasses import dataclass, field, replace
from datetime import date

from evaluation.models import Turn
from teams.models import Dialect, Method, PriceKind, Provider
from teams.services import providers
from teams.services.providers import Wanted
from tests.chaos import answers
from tests.chaos.azure_front import KEY, RESOURCE, SECRET, AzureFront, Word
from tests.chaos.processes import wait_for
from tests.chaos.scene import SETTINGS, Row, Scene
from training.models import BaseModel, RunStatus, TrainingRun
from training.services import provider_models
from training.services.launch import launch

NAME, MODEL = "Azure of chaos", "gpt-4.1-2025-04-14"
PER_MILLION = 1_000_000


@dataclass(frozen=True)
class AzureFault:
    """`trouble`: what goes wrong at which step, see `azure_front`."""

    name: str
    says: str
    front: AzureFront
    trouble: dict[str, list[Word]] = field(default_factory=dict)
    methods: tuple[str, ...] = (Method.OPENAI,)

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        return (self.methods,)

    def play(self, scene: Scene, methods: list[Method]) -> list[Row]:
        """Raises Stuck."""
        scene.platform.wait_until_whole()
        scene.platform.clock.write_text("0")
        scene.provider.set_faults()
        wait_for(scene.rows_may_leave, "the name model does not look through the rows")
        at_the_end = {step: words for step, words in self.trouble.items() if step == "chat"}
        before = {step: words for step, words in self.trouble.items() if step != "chat"}
        self.front.breaks(**before)
        scene.runs = [self._launch(scene)]
        (row,) = scene.recover()
        run = TrainingRun.objects.get(pk=scene.runs[0].pk)
        unmet = [step for step, words in self.front.trouble.items() if words]
        self.front.breaks(**at_the_end)
        said = self._ask(scene, run, questions=len(at_the_end.get("chat", [])) + 1)
        broken = [row.broken] if row.broken else []
        broken += [f"not met at {step}" for step in unmet]
        broken += [] if run.deployment else ["no deployment"]
        broken += [] if said else ["its bot does not answer"]
        outcome = f"{row.outcome}, {'answers' if said else 'silent'}"
        self.front.breaks()
        return [replace(row, outcome=outcome, broken="; ".join(broken))]

    def _launch(self, scene: Scene) -> TrainingRun:
        return launch(
            team=scene.team,
            person=scene.person,
            method=Method.OPENAI,
            base_model=_base(scene, self.front),
            dataset_version=scene.version,
            settings=SETTINGS[Method.OPENAI],
            seed=17,
            name=self.name,
        )

    def _ask(self, scene: Scene, run: TrainingRun, questions: int) -> str:
        """What its bot says in the end: the first questions may each meet what is broken, and are settled too."""
        if run.status != RunStatus.SUCCEEDED:
            return ""
        for _ in range(questions):
            turn = answers.ask(scene, run.number)
            wait_for(lambda: answers._is_settled(turn), f"turn {turn.pk} does not end")  # noqa: B023
            now = Turn.objects.get(pk=turn.pk)
            if self.front.is_over() and now.answer:
                return now.answer
        return ""


def all_of(front: AzureFront) -> list[AzureFault]:
    """A row for each step at which it can fail."""

    def row(step: str, says: str, *words: Word) -> AzureFault:
        return AzureFault(f"azure-{step}", f"Azure fails {says}", front, {step: list(words)})

    return [
        row("upload", "while rows are uploaded", "lost", 500, 429, "html", "cut"),
        row("create", "while the job is made, and its answer is lost", "html", "lost"),
        row("poll", "while the job is looked at", "cut", 500, 429, "html", 404, 403, "lost"),
        row("results", "while events, checkpoints and result file are read", 404, 500, "html", "cut", 429),
        row("token", "to give a token to deploy with", 401, 500, "html", "lost"),
        row("deploy", "while the deployment is made, and its answer is lost", 403, 409, 429, 500, "html", "cut", "lost"),
        row("deployment", "while the deployment is looked at", 500, 429, "html", "cut", "failed", "failed"),
        row("chat", "while its bot answers", "cut", 500, "html", "lost"),
    ]  # fmt: skip


def _base(scene: Scene, front: AzureFront) -> BaseModel:
    """The model of a provider of the course, made as an instructor makes it."""
    found = BaseModel.objects.filter(provider__name=NAME, name=MODEL).first()
    return found or _made(scene, front)


def _made(scene: Scene, front: AzureFront) -> BaseModel:
    options = {"resource": RESOURCE, "tenant": "tenant-1", "client": "client-1", "sku": "developertier"}
    wanted = Wanted(NAME, Dialect.AZURE, f"{front.url}/openai/v1", key=KEY, secret=SECRET, options=options)
    provider: Provider = providers.add(course=scene.team.course, person=scene.person, wanted=wanted)
    kinds = (PriceKind.TRAINING, PriceKind.INPUT, PriceKind.OUTPUT)
    prices = {(trained, kind): PER_MILLION for trained in (False, True) for kind in kinds}
    asked = provider_models.WantedModel(MODEL, MODEL, (Method.OPENAI,), None, "", "a page", date(2026, 1, 1), prices)
    (base,) = provider_models.save(provider=provider, person=scene.person, wanted=asked)
    return base
