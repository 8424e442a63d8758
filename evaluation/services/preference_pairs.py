"""Pairs of answers out of what people said of them: blind votes, better answers, and the tags of a released grading.

Only answers of the team's own bots to one and the same prompt make a pair. What people disagree about as often as not is left
out: it teaches nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Prefetch

from datasets import formats
from datasets.models import Dataset, DatasetVersion, Shape
from datasets.services import pairs as pair_rows
from datasets.services import versions
from evaluation.models import (
    BetterAnswer,
    Contender,
    Submission,
    Turn,
    TurnStatus,
    Vote,
)
from evaluation.services import frozen
from evaluation.services.clean import clean
from evaluation.services.results import MarkedTurn
from teams.models import Team, User

GREAT = frozenset({"great"})
BAD = frozenset({"too grown-up", "out of character"})
"""Of the graders' tags. A real misconception is neither: it is what a child says."""
MOST_EARLIER = 3
"""Exchanges that stay before a prompt: longer ones would leave no room for the answers."""
MOST_READ = 5_000
SOURCE_NAME = "preference pairs"

Said = tuple[tuple[str, str], ...]  # (role, content) of each message


class PairsRefused(Exception):
    """No version was made; the message says why and what to do."""


@dataclass(frozen=True)
class Pair:
    """`prompt`: what was said before, the teacher last. `source`: as `datasets.services.pairs` labels it."""

    source: str
    prompt: Said
    chosen: str
    rejected: str

    @property
    def question(self) -> str:
        return self.prompt[-1][1]

    def row(self, line: int) -> formats.Row:
        """As a preference row of a dataset."""
        prompt: list[formats.Message] = [
            {"role": role, "content": content} for role, content in self.prompt
        ]
        chosen, rejected = (
            [formats.Message(role="assistant", content=text)]
            for text in (self.chosen, self.rejected)
        )
        return formats.Row(
            line=line,
            messages=[*prompt, *chosen],
            shape="preference",
            labels={pair_rows.SOURCE: self.source},
            preferred_output=chosen,
            non_preferred_output=rejected,
        )


def collect(team: Team, *, seen_by: User | None = None) -> list[Pair]:
    """All pairs of the team, each once, in the order of their sources.

    `seen_by`: leave out votes on comparisons that this person has yet to vote on, and would no longer judge blind.
    """
    marked = _marked(team)
    found = [
        *_of_votes(team, seen_by),
        *_of_corrections(marked),
        *_of_better_answers(team),
        *_of_tags(marked),
    ]
    return list(_agreed(found))


def _agreed(found: Iterable[Pair]) -> Iterator[Pair]:
    """Each pair once, and of two that contradict each other the one that more people said."""
    counted: Counter[tuple[Said, str, str]] = Counter()
    first: dict[tuple[Said, str, str], Pair] = {}
    for pair in found:
        if pair.chosen == pair.rejected or not (pair.chosen and pair.rejected):
            continue
        key = (pair.prompt, pair.chosen, pair.rejected)
        counted[key] += 1
        first.setdefault(key, pair)
    for key, pair in first.items():
        prompt, chosen, rejected = key
        if counted[key] > counted[(prompt, rejected, chosen)]:
            yield pair


def _of_votes(team: Team, seen_by: User | None) -> Iterator[Pair]:
    """The better answer beside each of the others, for every vote that named one."""
    turns = Prefetch("conversation__turns", Turn.objects.current())
    sides = Prefetch(
        "comparison__contenders",
        Contender.objects.select_related("conversation").prefetch_related(turns),
    )
    votes = Vote.objects.filter(comparison__team=team, better__isnull=False).order_by("-pk")
    if seen_by is not None:
        votes = votes.filter(comparison__votes__person=seen_by)
    for vote in votes.select_related("comparison").prefetch_related(sides)[:MOST_READ]:
        answers = {side.pk: side.turn for side in vote.comparison.contenders.all()}
        better = answers[vote.better_id] if vote.better_id else None
        if better is None or any(turn.status != TurnStatus.DONE for turn in answers.values()):
            continue
        prompt = (("user", vote.comparison.question.strip()),)
        for turn in answers.values():
            if turn.pk != better.pk:
                yield Pair(pair_rows.VOTE, prompt, better.answer.strip(), turn.answer.strip())


def _marked(team: Team) -> list[MarkedTurn]:
    """Answers that graders marked, as the team may read them: in the released versions of its results."""
    released = Submission.objects.for_team(team).filter(released_at__isnull=False).order_by("pk")
    shown = [frozen.current_of(submission) for submission in released]
    return [
        one
        for result in shown
        if result is not None
        for one in result.marked
        if one.turn.answer.strip()
    ]


def _of_corrections(marked: list[MarkedTurn]) -> Iterator[Pair]:
    """What a professor would rather have heard, beside what she heard."""
    for one in marked:
        for better in one.better:
            yield Pair(
                pair_rows.BETTER,
                _prompt(one.turn),
                clean(better).strip(),
                one.turn.answer.strip(),
            )


def _of_better_answers(team: Team) -> Iterator[Pair]:
    """What the team wrote in place of an answer when it made a training row of it."""
    found = BetterAnswer.objects.filter(
        run__team=team, turn__isnull=False, turn__replaced_at=None
    )
    for one in found.select_related("turn__conversation").order_by("pk")[:MOST_READ]:
        assert one.turn is not None
        prompt = (
            _prompt(one.turn) if one.with_earlier else (("user", one.turn.question.strip()),)
        )
        yield Pair(pair_rows.BETTER, prompt, one.answer.strip(), one.turn.answer.strip())
    heard = BetterAnswer.objects.filter(run__team=team, heard__isnull=False, with_earlier=False)
    for one in heard.select_related("heard__question").order_by("pk")[:MOST_READ]:
        assert one.heard is not None
        asked = str(getattr(one.heard.question, one.heard.wording))
        yield Pair(
            pair_rows.BETTER,
            (("user", asked.strip()),),
            one.answer.strip(),
            one.heard.answer.strip(),
        )


def _of_tags(marked: list[MarkedTurn]) -> Iterator[Pair]:
    """An answer that graders called great, beside one to the same prompt that they called too grown-up or out of character."""
    great: dict[Said, list[str]] = defaultdict(list)
    bad: dict[Said, list[str]] = defaultdict(list)
    for one in marked:
        labels = set(one.labels)
        if bool(labels & GREAT) == bool(labels & BAD):
            continue  # neither, or graders who disagree
        side = great if labels & GREAT else bad
        side[_prompt(one.turn)].append(one.turn.answer.strip())
    for prompt, answers in great.items():
        for chosen in answers:
            for rejected in bad[prompt]:
                yield Pair(pair_rows.TAG, prompt, chosen, rejected)


def _prompt(turn: Turn) -> Said:
    """The question with the last exchanges before it."""
    earlier = (
        turn.conversation.turns.remembered()
        .filter(position__lt=turn.position)
        .order_by("-position")
    )
    said: list[tuple[str, str]] = []
    for before in reversed(earlier[:MOST_EARLIER]):
        said += [("user", before.question.strip()), ("assistant", before.answer.strip())]
    return (*said, ("user", turn.question.strip()))


def open_datasets(team: Team) -> list[Dataset]:
    """Datasets of pairs, to which more can be added; newest first."""
    found = Dataset.objects.for_team(team).with_newest()
    return [one for one in found if getattr(one, "newest_shape", "") == Shape.PREFERENCE]


def missing_in(dataset: Dataset | None, found: list[Pair]) -> list[Pair]:
    """Those of `found` that the dataset's newest version does not have."""
    version = versions.newest(dataset) if dataset is not None else None
    there = (
        {_said_in(row) for row in versions.stored_rows(version)}
        if version is not None
        else set()
    )
    return [pair for pair in found if (pair.prompt, pair.chosen, pair.rejected) not in there]


def _said_in(row: formats.Row) -> tuple[Said, str, str]:
    preferred, rejected = row.preferred_output or [], row.non_preferred_output or []
    prompt = row.messages[: len(row.messages) - len(preferred)]
    texts = [
        "\n".join(message["content"] for message in answer).strip()
        for answer in (preferred, rejected)
    ]
    return tuple((message["role"], message["content"]) for message in prompt), texts[0], texts[1]


def make_version(
    *, team: Team, person: User, dataset: Dataset | None, name: str
) -> DatasetVersion:
    """All pairs of the team as the next version of `dataset`, after the pairs that it has; without one, as a new dataset.

    Raises PairsRefused, and disk.DiskFull.
    """
    new = [pair for pair in missing_in(dataset, collect(team)) if not _errors(pair)]
    if not new:
        raise PairsRefused(NOTHING_NEW if dataset is not None else NOTHING_YET)
    target = dataset or versions.create_dataset(team=team, name=name, person=person)
    before = versions.newest(target)
    kept = list(versions.stored_rows(before)) if before is not None else []
    rows = [*kept, *(pair.row(line) for line, pair in enumerate(new, start=len(kept) + 1))]
    counted = Counter(pair_rows.WORDS[pair.source] for pair in new)
    told = ", ".join(f"{count} {words}" for words, count in counted.most_common())
    try:
        return versions.create_version(
            dataset=target,
            rows=rows,
            shape=Shape.PREFERENCE,
            person=person,
            note=f"Added {len(new)} pair{'' if len(new) == 1 else 's'}: {told}.",
            source_name=SOURCE_NAME,
            parent=before,
        )
    except BaseException:
        if dataset is None:
            target.delete()  # made a moment ago, and nothing is in it
        raise


NOTHING_YET = "There is no pair yet. Vote on answers side by side, or write a better answer to one that your bot gave."
NOTHING_NEW = "This dataset has all of your team's pairs already. Vote on more answers, or write better ones first."


def _errors(pair: Pair) -> bool:
    return any(
        problem.severity == "error"
        for problem in formats.check_row(pair.row(1), formats.Limits())
    )
