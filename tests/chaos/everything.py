"""The whole table: what is broken, in the middle of what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from teams.models import Method
from tests.chaos import answers, archives, azure, desk, faults, mails, uploads
from tests.chaos.azure_front import AzureFront
from tests.chaos.mail_server import MailServer
from tests.chaos.scene import Row, Scene


class Playable(Protocol):
    """`together`: which methods may be played side by side; ("mail",) and the like where there is no method."""

    @property
    def name(self) -> str: ...
    @property
    def methods(self) -> tuple[str, ...]: ...
    @property
    def together(self) -> tuple[tuple[str, ...], ...]: ...
    def play(self, scene: Scene, methods: list[Any]) -> list[Row]: ...


@dataclass(frozen=True)
class AnswerFault:
    """Strikes in the middle of answers: one of each method at once. `kept`: what makes them is whole, so none may be lost."""

    name: str
    says: str
    strike: answers.Strike
    methods: tuple[str, ...] = (Method.LORA, Method.DSPY, Method.OPENAI)
    kept: bool = False

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        return (self.methods,)

    def play(self, scene: Scene, methods: list[Method]) -> list[Row]:
        return answers.play(scene, self.strike, self.name, methods, kept=self.kept)


@dataclass(frozen=True)
class PageFault:
    """Strikes what a person does on a page, that no method has a part in."""

    name: str
    says: str
    of: str
    plays: Callable[[Scene, str], list[Row]]

    @property
    def methods(self) -> tuple[str, ...]:
        return (self.of,)

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        return ((self.of,),)

    def play(self, scene: Scene, methods: list[Method]) -> list[Row]:
        return self.plays(scene, self.name)


def all_faults(server: MailServer, front: AzureFront, *, walks: int, steps: str = "") -> list[Playable]:
    """Those of runs, of answers, of uploads, of mail, of the grading desk and of Azure; `server` is where the platform's mail
    goes, `front` a provider of Azure's kind.

    `walks`: how many over the desk; `steps`: one of just these in their place.
    """
    lora, dspy, openai = (Method.LORA,), (Method.DSPY,), (Method.OPENAI,)
    of_answers = [
        AnswerFault("model-server", "kill -9 of the model server with a question in its hands",
                    answers.service_killed("model-server"), lora),
        AnswerFault("program-server", "kill -9 of the program server with a question in its hands",
                    answers.service_killed("program-server"), dspy),
        AnswerFault("provider-answer", "kill -9 of the provider in mid-answer", answers.provider_killed, openai),
        AnswerFault("web-answer", "kill -9 of the web process in mid-answer", answers.service_killed("web")),
        AnswerFault("disk-answer", "the disk full while answers are settled", answers.disk_full, kept=True),
    ]  # fmt: skip
    of_pages = [
        PageFault("web-upload", "kill -9 of the web process in mid-upload", "upload",
                  lambda scene, name: uploads.play(scene, uploads.arriving, name)),
        PageFault("web-import", "kill -9 of the web process before an import is checked", "upload",
                  lambda scene, name: uploads.play(scene, uploads.unchecked, name)),
        PageFault("web-course", "kill -9 of the web process before and while a course archive is read", "upload",
                  archives.play),
        PageFault("mail-silent", "a mail server that takes connections and says nothing", "mail",
                  lambda scene, name: mails.play(scene, server, mails.silent, name)),
        PageFault("mail-killed", "a mail server that dies before it takes a letter", "mail",
                  lambda scene, name: mails.play(scene, server, mails.killed, name)),
        PageFault("desk-walks", "random faults while a professor grades in a browser", "desk",
                  lambda scene, name: desk.play(scene, name, walks, steps)),
    ]  # fmt: skip
    return [*faults.FAULTS, *of_answers, *of_pages, *azure.all_of(front)]
