"""From the answers that a bot failed to a better bot: what a child should have said becomes rows of the data it learnt from.

The row in the dataset is the truth, and `BetterAnswer` remembers which row belongs to which answer. Who saves names what they
saw; where somebody else was faster, nothing is written and both texts are shown.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction
from django.db.models import F

from datasets.models import ChangeKind, Dataset, DraftChange, Shape
from datasets.services import drafts
from datasets.services.blocks import StoredRow
from datasets.services.drafts import ChangedMeanwhile, EditRefused, KnownRow
from evaluation.models import (
    BetterAnswer,
    Interview,
    InterviewAnswer,
    InterviewStatus,
    Subject,
    Submission,
    Turn,
    Wording,
)
from evaluation.services import training_rows
from evaluation.services.clean import MAX_ANSWER_CHARACTERS, clean
from evaluation.services.interview_report import asked_for
from evaluation.services.preference_pairs import BAD, GREAT
from evaluation.services.training_rows import Candidate, row_of
from evaluation.services.wordings import FEEDBACK
from second_grade.marks import ORDER, Mark, Marked, mark_answer
from second_grade.words import plain, words
from teams.models import User
from training.models import TrainingRun
from training.services import deleted

CHANGED = "{} changed this meanwhile, so yours is not saved yet. Look at both, then save yours to replace theirs."
PLACED = {Wording.QUESTION: 0, Wording.PARAPHRASE: 1, Wording.FOLLOW_UP: 2}


class SavedMeanwhile(EditRefused):
    """Somebody else saved another text for the same answer first. Nothing was written."""


@dataclass(frozen=True)
class Item:
    """One answer of the bot with what is said about it, and the row that is to teach a better one.

    `key` names it in forms and says neither who heard it nor when. `before`: (question, answer) that came first. `labels`: of
    professors, after the release. `text`: what the input shows. `seen`: what a save has to name. `row`: its row as it stands
    in the dataset, `change` the open edit of that row.
    """

    key: str
    question: str
    before: tuple[tuple[str, str], ...]
    answer: str
    marked: Marked
    subject: str
    place: tuple[int, ...]
    source: InterviewAnswer | Turn
    labels: tuple[str, ...] = ()
    better: str = ""
    kept: BetterAnswer | None = None
    row: StoredRow | None = None
    change: DraftChange | None = None

    @property
    def text(self) -> str:
        if self.row is not None:
            return drafts.last_said(self.row)
        return self.kept.answer if self.kept is not None else self.better

    @property
    def seen(self) -> str:
        told = (
            self.question,
            self.answer,
            self.kept.edition if self.kept is not None else 0,
            self.text,
        )
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    @property
    def state(self) -> str:
        """ "": nothing written; "waiting": among the edits; "saved": in a version; "gone": its row was removed."""
        if self.kept is None:
            return ""
        if self.row is None:
            return "gone"
        return "waiting" if self.change is not None else "saved"

    @property
    def who(self) -> str:
        person = (
            self.change.changed_by
            if self.change is not None
            else self.kept.person
            if self.kept
            else None
        )
        return person.name if person is not None else "Somebody"


def target_of(run: TrainingRun) -> Dataset | None:
    """The dataset that the run's rows came from. A run that learnt from pairs: the one of the run that it goes on from."""
    seen: set[int] = set()
    one: TrainingRun | None = run
    while one is not None and one.pk not in seen:
        if one.dataset_version.shape != Shape.PREFERENCE:
            return one.dataset_version.dataset
        seen.add(one.pk)
        one = one.starts_from
    return None


def interview_of(run: TrainingRun) -> Interview | None:
    """The newest finished interview that the team may see."""
    rows = Interview.objects.for_team(run.team).filter(run=run, status=InterviewStatus.DONE)
    return rows.select_related("script").first()


def asking_of(run: TrainingRun) -> Interview | None:
    """The interview that is under way, if the team may know of it."""
    rows = Interview.objects.for_team(run.team).filter(run=run)
    return rows.active().first()


def items_of(run: TrainingRun, interview: Interview | None) -> list[Item]:
    """Every answer, those that failed first: what professors marked, then the interview's, the worst first."""
    marked = _marked_by_professors(run)
    found = _of_professors(marked)
    if interview is not None:
        found += _of_interview(run, interview, _better_by_question(marked))
    dataset = target_of(run)
    ids = {item.kept.row_id for item in found if item.kept is not None and item.kept.row_id}
    rows = drafts.current_rows(dataset, ids) if dataset is not None and ids else {}
    return sorted((_with_row(item, rows) for item in found), key=_urgency)


def _urgency(item: Item) -> tuple[bool, bool, int, tuple[int, ...]]:
    return (
        not item.marked.failed,
        isinstance(item.source, InterviewAnswer),
        ORDER[item.marked.mark],
        item.place,
    )


def _with_row(item: Item, rows: dict[str, tuple[StoredRow, DraftChange | None]]) -> Item:
    if item.kept is None or item.kept.row_id not in rows:
        return item
    row, change = rows[item.kept.row_id]
    return replace(item, row=row, change=change)


def _marked_by_professors(run: TrainingRun) -> list[Candidate]:
    """Only what a release shows: before it, a team knows nothing of marks and better answers."""
    rows = Submission.objects.for_team(run.team).filter(run=run, released_at__isnull=False)
    submission = rows.select_related("team__course").order_by("-pk").first()
    return training_rows.candidates(submission) if submission is not None else []


def _better_by_question(marked: Iterable[Candidate]) -> dict[str, str]:
    """What professors would rather have heard, by the words of a question that began a talk."""
    return {
        _plain(one.turn.question): one.better[0]
        for one in marked
        if one.better and not one.earlier
    }


def _plain(text: str) -> str:
    return " ".join(plain(word) for word in words(text))


def _of_professors(marked: list[Candidate]) -> list[Item]:
    kept = BetterAnswer.objects.filter(turn__in=[one.turn for one in marked]).select_related(
        "person", "turn"
    )
    by_turn = {one.turn_id: one for one in kept}
    return [
        Item(
            key=f"talk-{one.turn.key}",
            question=one.turn.question,
            before=_before(one.turn) if one.earlier else (),
            answer=one.turn.answer,
            marked=_told_by(one),
            subject="",
            place=(number,),
            source=one.turn,
            labels=tuple(one.labels),
            better=one.better[0] if one.better else "",
            kept=by_turn.get(one.turn.pk),
        )
        for number, one in enumerate(marked)
    ]


def _before(turn: Turn) -> tuple[tuple[str, str], ...]:
    return tuple((one.question, one.answer) for one in training_rows.earlier_turns(turn))


def _told_by(one: Candidate) -> Marked:
    labels = set(one.labels)
    if labels & BAD:
        return Marked(Mark.OUT_OF_CHARACTER, "Your professor marked it.", failed=True)
    if one.better:
        return Marked(Mark.OPEN, "Your professor would rather hear another answer.", failed=True)
    if labels & GREAT:
        return Marked(Mark.RIGHT, "Your professor liked it.", failed=False)
    return Marked(Mark.OPEN, "Your professor marked it.", failed=False)


def _of_interview(run: TrainingRun, interview: Interview, better: dict[str, str]) -> list[Item]:
    answers = list(interview.answers.exclude(wording__in=FEEDBACK).select_related("question"))
    first = {
        (one.question_id, one.repeat): one.answer
        for one in answers
        if one.wording == Wording.QUESTION
    }
    rows = (
        BetterAnswer.objects.filter(run=run, heard__isnull=False)
        .select_related("heard", "person")
        .order_by("pk")
    )
    kept = {
        (one.heard.question_id, one.heard.wording): one for one in rows if one.heard is not None
    }
    chosen: dict[tuple[int, str], Item] = {}
    for one in answers:
        item = _heard(one, first.get((one.question_id, one.repeat), ""))
        there = chosen.get((one.question_id, one.wording))
        if there is None or (
            item.marked.failed and not there.marked.failed
        ):  # of several repeats, one that failed
            chosen[one.question_id, one.wording] = item
    return [
        replace(
            item,
            kept=kept.get(place),
            better=better.get(_plain(item.question), "") if not item.before else "",
        )
        for place, item in chosen.items()
    ]


def failed_in(interview: Interview) -> tuple[tuple[str, str, int, str], ...]:
    """(question, answer, the question's id, wording) of what failed in an interview, in the order of the page."""
    failed = [item for item in _of_interview(interview.run, interview, {}) if item.marked.failed]
    return tuple(
        (item.question, item.answer, item.source.question_id, item.source.wording)
        for item in sorted(failed, key=_urgency)
        if isinstance(item.source, InterviewAnswer)
    )


def _heard(one: InterviewAnswer, spoken: str) -> Item:
    question, follows = one.question, one.wording == Wording.FOLLOW_UP
    return Item(
        key=f"question-{question.position}-{one.wording}",
        question=str(getattr(question, one.wording)),
        before=((question.question, spoken),) if follows else (),
        answer=one.answer,
        marked=mark_answer(asked_for(question), one.answer, follow_up=follows),
        subject=Subject(question.subject).label,
        place=(question.position, PLACED[Wording(one.wording)]),
        source=one,
    )


def save(*, run: TrainingRun, item: Item, text: str, seen: str, person: User) -> DraftChange:
    """`text` as the row for this answer, among the edits of the run's dataset. `item` as it is now, `seen` as it was shown.

    Raises EditRefused, SavedMeanwhile, and drafts.ChangedMeanwhile; nothing is written then.
    """
    said, dataset = clean(text).strip(), target_of(run)
    if not said:
        raise EditRefused("Write what the child should say. An empty answer teaches nothing.")
    if len(said) > MAX_ANSWER_CHARACTERS:
        raise EditRefused(
            f"This is {len(said)} characters long; a row's answer holds {MAX_ANSWER_CHARACTERS} at most."
        )
    if dataset is None:
        raise EditRefused(
            "This bot learnt from pairs of answers alone, so there is no dataset for single rows."
        )
    if item.seen != seen:
        raise SavedMeanwhile(CHANGED.format(item.who if item.kept is not None else "Somebody"))
    row = row_of(item.question, said, item.before)
    known = (
        KnownRow(item.kept.row_id, item.text)
        if item.kept is not None and item.row is not None
        else None
    )
    try:
        return drafts.put_row(
            dataset=dataset,
            row=row,
            person=person,
            known=known,
            then=lambda made: _remember(run, item, said, made, person),
        )
    except deleted.RunDeleted as gone:
        raise EditRefused(str(gone)) from gone
    except (IntegrityError, ChangedMeanwhile) as lost:
        raise SavedMeanwhile(CHANGED.format("Somebody")) from lost


def _remember(run: TrainingRun, item: Item, said: str, made: DraftChange, person: User) -> None:
    """Inside the row's transaction: it undoes the row where somebody else was faster."""
    values = {
        "answer": said,
        "dataset": made.draft.dataset,
        "row_id": made.row_id,
        "person": person,
    }
    if item.kept is None:
        source = (
            {"turn": item.source} if isinstance(item.source, Turn) else {"heard": item.source}
        )
        deleted.hold_still(run)
        BetterAnswer.objects.create(run=run, **source, **values, with_earlier=bool(item.before))
        return
    mine = BetterAnswer.objects.filter(pk=item.kept.pk, edition=item.kept.edition)
    if not mine.update(edition=F("edition") + 1, **values):
        raise SavedMeanwhile(CHANGED.format("Somebody"))


def take_back(*, item: Item, seen: str) -> None:
    """Undo the open edit of the answer's row. Raises EditRefused where there is none, and SavedMeanwhile."""
    if item.seen != seen:
        raise SavedMeanwhile(CHANGED.format(item.who))
    if item.kept is None or item.change is None:
        raise EditRefused("This row is no open edit any more: it was saved or taken back.")
    with transaction.atomic():
        mine = BetterAnswer.objects.filter(pk=item.kept.pk, edition=item.kept.edition)
        if not mine.update(edition=F("edition") + 1):
            raise SavedMeanwhile(CHANGED.format("Somebody"))
        added = item.change.kind == ChangeKind.ADD
        drafts.take_back(draft=item.change.draft, row_id=item.kept.row_id)
        if added:
            BetterAnswer.objects.filter(pk=item.kept.pk).delete()
