"""An answer, corrected, as a new training row; and the marked answers of a released grading as candidates for that."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F

from datasets import formats
from datasets.models import Dataset, DraftChange
from datasets.services import drafts
from evaluation.models import BetterAnswer, Submission, Turn
from evaluation.services import frozen
from evaluation.services.clean import clean
from teams.models import Team, User


@dataclass(frozen=True)
class Candidate:
    """An answer that professors marked, with their labels and what they would rather have heard. `earlier`: how many exchanges
    came before it.
    """

    turn: Turn
    earlier: int
    labels: list[str]
    better: list[str]

    @property
    def proposal(self) -> str:
        """What the new row's answer begins as: a professor's correction, or the answer as it was."""
        return self.better[0] if self.better else self.turn.answer


def open_datasets(team: Team) -> list[Dataset]:
    """Where a row can be added: datasets with a version, newest first."""
    found = Dataset.objects.for_team(team).filter(versions__isnull=False).distinct()
    return list(found.select_related("draft"))


def earlier_turns(turn: Turn) -> list[Turn]:
    """What was said in the talk before this turn."""
    return list(turn.conversation.turns.remembered().filter(position__lt=turn.position))


def add(
    *, turn: Turn, dataset: Dataset, answer: str, with_earlier: bool, person: User
) -> DraftChange:
    """`answer` to the turn's question as a new row in the dataset's next version.

    With what was said before, if wanted: those answers are context and not trained on. Raises EditRefused.
    """
    before = [(one.question, one.answer) for one in earlier_turns(turn)] if with_earlier else []
    row = row_of(turn.question, answer, before)
    said = row.messages[-1]["content"]

    def remember(made: DraftChange) -> None:
        """With the answer that the bot gave it is a pair that a run can learn a preference from."""
        if said == turn.answer.strip():
            return
        kept = {"answer": said, "with_earlier": with_earlier, "person": person}
        kept |= {"run": turn.conversation.run, "dataset": dataset, "row_id": made.row_id}
        better, created = BetterAnswer.objects.update_or_create(turn=turn, defaults=kept)
        if not created:
            BetterAnswer.objects.filter(pk=better.pk).update(edition=F("edition") + 1)

    return drafts.put_row(dataset=dataset, row=row, person=person, then=remember)


def row_of(question: str, answer: str, before: Iterable[tuple[str, str]] = ()) -> formats.Row:
    """`answer` to `question` as a row; `before`: (question, answer) of what was said first, which is not trained on."""
    said: list[formats.Message] = []
    for asked, answered in before:
        said.append({"role": "user", "content": asked})
        said.append({"role": "assistant", "content": answered, "weight": 0})
    said.append({"role": "user", "content": question})
    said.append({"role": "assistant", "content": clean(answer).strip()})
    return formats.Row(line=0, messages=said)


def candidates(submission: Submission) -> list[Candidate]:
    """The marked answers of the released version, in the order of the talks; none before the release."""
    shown = frozen.current_of(submission)
    if shown is None:
        return []
    marked = [one for one in shown.marked if one.turn.answer.strip()]
    said = Turn.objects.remembered().filter(
        conversation__in={one.turn.conversation_id for one in marked}
    )
    places = list(said.values_list("conversation_id", "position"))
    return [
        Candidate(one.turn, _before(one.turn, places), one.labels, one.better) for one in marked
    ]


def _before(turn: Turn, places: list[tuple[int, int]]) -> int:
    return sum(
        talk == turn.conversation_id and position < turn.position for talk, position in places
    )
