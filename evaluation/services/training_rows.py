"""An answer, corrected, as a new training row; and the marked answers of a released grading as candidates for that."""

from dataclasses import dataclass

from datasets import formats
from datasets.models import Dataset, DraftChange
from datasets.services import drafts
from datasets.services.drafts import EditRefused
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


def add(*, turn: Turn, dataset: Dataset, answer: str, with_earlier: bool, person: User) -> DraftChange:
    """`answer` to the turn's question as a new row in the dataset's next version.

    With what was said before, if wanted: those answers are context and not trained on. Raises EditRefused.
    """
    row = formats.Row(line=0, messages=_messages(turn, answer, earlier_turns(turn) if with_earlier else []))
    draft = drafts.draft_of(dataset)
    waiting = drafts.added(draft) if draft else []
    if any(one.fingerprint == formats.fingerprint(row) for one in waiting):
        raise EditRefused("This very row waits among the dataset's edits already. Change the answer, or leave it so.")
    made = drafts.add_row(dataset=dataset, row=row, person=person)
    _remember(turn, answer=row.messages[-1]["content"], with_earlier=with_earlier, person=person)
    return made


def _remember(turn: Turn, *, answer: str, with_earlier: bool, person: User) -> None:
    """With the answer that the bot gave it is a pair that a run can learn a preference from."""
    if answer != turn.answer.strip():
        kept = {"answer": answer, "with_earlier": with_earlier, "person": person}
        BetterAnswer.objects.update_or_create(turn=turn, defaults=kept)


def _messages(turn: Turn, answer: str, earlier: list[Turn]) -> list[formats.Message]:
    said: list[formats.Message] = []
    for before in earlier:
        said.append({"role": "user", "content": before.question})
        said.append({"role": "assistant", "content": before.answer, "weight": 0})
    said.append({"role": "user", "content": turn.question})
    said.append({"role": "assistant", "content": clean(answer).strip()})
    return said


def candidates(submission: Submission) -> list[Candidate]:
    """The marked answers of the released version, in the order of the talks; none before the release."""
    shown = frozen.current_of(submission)
    if shown is None:
        return []
    marked = [one for one in shown.marked if one.turn.answer.strip()]
    said = Turn.objects.remembered().filter(conversation__in={one.turn.conversation_id for one in marked})
    places = list(said.values_list("conversation_id", "position"))
    return [Candidate(one.turn, _before(one.turn, places), one.labels, one.better) for one in marked]


def _before(turn: Turn, places: list[tuple[int, int]]) -> int:
    return sum(talk == turn.conversation_id and position < turn.position for talk, position in places)
