"""The one thing that a team should do next, and why: a table of rules over what the team did. The first rule that fits counts.

Pure: `Facts` come from `team_facts.py`, and pages make a link of `Step.page`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

SOON = timedelta(days=7)
FEW_LEFT = 2  # failed answers without a better one that are no longer worth a round of their own


@dataclass(frozen=True)
class Bot:
    """A run: its number, how the team calls it, its method, and the form that starts one like it."""

    number: int
    name: str
    method: str = "lora"
    form: str = "lora"


@dataclass(frozen=True)
class Data:
    """A dataset's newest version: `key` its id, `name` with its number, `rows`."""

    dataset: int
    key: int
    name: str
    rows: int


@dataclass(frozen=True)
class Heard:
    """The newest interview of a bot: `failed` answers, `open` ones without a better answer, an `example` (question, answer)."""

    failed: int
    open: int
    example: tuple[str, str] | None = None


@dataclass(frozen=True)
class Facts:
    """What a team did. `newest`: its newest finished bot. `ahead`: a newer version of what `newest` learnt from."""

    data: Data | None = None
    edits: int = 0
    edits_next: int = 0
    active: Bot | None = None
    failed: Bot | None = None
    failed_why: str = ""
    newest: Bot | None = None
    ahead: Data | None = None
    asking: bool = False
    heard: Heard | None = None
    older: Bot | None = None
    compared: bool = True
    submitted: Bot | None = None
    released: bool = False
    due_in: timedelta | None = None
    due_words: str = ""
    missing: tuple[str, str] | None = None
    practice: bool = False


@dataclass(frozen=True)
class Step:
    """`what` to do and `why`, in sentences; the button's `label` leads to `page`: (URL name, its numbers, query)."""

    what: str
    why: str
    label: str
    page: tuple[str, tuple[object, ...], str]
    more: tuple[str, tuple[str, tuple[object, ...], str]] | None = field(default=None)


@dataclass(frozen=True)
class Rule:
    """`name`: for tests and logs."""

    name: str
    fits: Callable[[Facts], bool]
    step: Callable[[Facts], Step]


def next_step(facts: Facts) -> tuple[str, Step]:
    """The name of the first rule that fits, and its step. The last rule always fits."""
    rule = next(rule for rule in RULES if rule.fits(facts))
    return rule.name, rule.step(facts)


def _plural(count: int, one: str) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def _upload(facts: Facts) -> Step:
    return Step(
        "Upload your first rows",
        "A bot learns from rows: what a teacher asks, and what a child of seven or eight says. Thirty are enough to begin.",
        "Upload rows",
        ("dataset_new", (), ""),
        ("Read the guide first", ("guide", (), "")),
    )


def _watch(facts: Facts) -> Step:
    assert facts.active is not None
    return Step(
        f"Wait for {facts.active.name}, and write more rows meanwhile",
        "It goes on without you; you may close this page. When it is done, its verdict stands on its page.",
        "See how far it is",
        ("run_detail", (facts.active.number,), ""),
        ("Your datasets", ("dataset_list", (), "")),
    )


def _again(facts: Facts) -> Step:
    assert facts.failed is not None
    return Step(
        f"Start {facts.failed.name} again",
        facts.failed_why or "It ended without a bot. Its page says what to change.",
        "See what to change",
        ("run_detail", (facts.failed.number,), ""),
    )


def _first_run(facts: Facts) -> Step:
    assert facts.data is not None
    method, label = facts.missing or ("lora", "LoRA")
    return Step(
        f"Train your first bot with {label}",
        f"{facts.data.name} has {_plural(facts.data.rows, 'row')}. You see the price before anything starts.",
        "Choose the settings",
        ("run_new", (method,), f"version={facts.data.key}"),
        ("Which method fits?", ("run_list", (), "")),
    )


def _save_edits(facts: Facts) -> Step:
    assert facts.data is not None
    return Step(
        f"Save your {_plural(facts.edits, 'edit')} as version {facts.edits_next}",
        "Until they are a version, no bot learns from them.",
        "Look at them and save",
        ("draft_detail", (facts.data.dataset,), ""),
    )


def _train_again(facts: Facts) -> Step:
    assert facts.newest is not None and facts.ahead is not None
    return Step(
        f"Train again with {facts.ahead.name}",
        f"It has {_plural(facts.ahead.rows, 'row')} and is newer than what {facts.newest.name} learnt from. "
        "The settings stay as they were.",
        "Train again",
        (
            "run_new",
            (facts.newest.form,),
            f"from={facts.newest.number}&version={facts.ahead.key}",
        ),
    )


def _hand_in(facts: Facts) -> Step:
    assert facts.newest is not None
    return Step(
        "Hand in one bot",
        f"It is due {facts.due_words}. You may replace it until then, and your professor sees no names.",
        "Choose the bot",
        ("submission_detail", (), ""),
        (f"Make {facts.newest.name} better first", ("run_improve", (facts.newest.number,), "")),
    )


def _interview(facts: Facts) -> Step:
    assert facts.newest is not None
    return Step(
        f"Interview {facts.newest.name}",
        "The same teacher questions for every bot show which answers no second-grader would give.",
        "Begin the interview",
        ("run_improve", (facts.newest.number,), ""),
        ("Talk to it first", ("conversation_new", (), f"run={facts.newest.number}")),
    )


def _listen(facts: Facts) -> Step:
    assert facts.newest is not None
    return Step(
        f"{facts.newest.name} is being interviewed",
        "In some minutes you see what it failed. Talk with it meanwhile, and note what no child would say.",
        "Talk with it",
        ("conversation_new", (), f"run={facts.newest.number}"),
    )


def _compare(facts: Facts) -> Step:
    assert facts.newest is not None and facts.older is not None
    return Step(
        f"Compare {facts.newest.name} with {facts.older.name}, blind",
        "Both get the same question, and you choose before you learn which is which. That shows whether the new rows helped.",
        "Compare them",
        ("run_improve", (facts.older.number,), "#compare"),
    )


def _fix(facts: Facts) -> Step:
    assert facts.newest is not None and facts.heard is not None
    said = "Write what a child would say, save it as rows, and train again."
    if facts.heard.example is not None:
        question, answer = facts.heard.example
        said = f"To “{question}” it said “{answer}”. {said}"
    answers = "the answer" if facts.heard.open == 1 else f"the {facts.heard.open} answers"
    return Step(
        f"Teach {facts.newest.name} {answers} it failed",
        said,
        "Fix them",
        ("run_improve", (facts.newest.number,), ""),
        ("Talk to it first", ("conversation_new", (), f"run={facts.newest.number}")),
    )


def _result(facts: Facts) -> Step:
    assert facts.submitted is not None
    return Step(
        "Read what your professor heard",
        "Your result is here, with the answers that were marked. The better answers can become rows.",
        "See your result",
        ("submission_detail", (), ""),
        ("Make the bot better", ("run_improve", (facts.submitted.number,), "")),
    )


def _next_method(facts: Facts) -> Step:
    assert facts.missing is not None and facts.data is not None
    method, label = facts.missing
    return Step(
        f"Try {label} on your rows",
        "Your plan has it, and three methods on the same rows show what each of them changes.",
        "Choose the settings",
        ("run_new", (method,), f"version={facts.data.key}"),
    )


def _talk(facts: Facts) -> Step:
    assert facts.newest is not None
    return Step(
        f"Talk with {facts.newest.name} as a teacher would",
        "Ask what no interview asks. What sounds like no child becomes a row in two clicks.",
        "Talk with it",
        ("conversation_new", (), f"run={facts.newest.number}"),
    )


def _due_soon(facts: Facts) -> bool:
    return facts.due_in is not None and timedelta() <= facts.due_in <= SOON


def _may_hand_in(facts: Facts) -> bool:
    return facts.submitted is None and not facts.practice


def _worth_training(facts: Facts) -> bool:
    return facts.ahead is not None and facts.newest is not None


RULES = (
    Rule(
        "upload",
        lambda facts: facts.data is None and facts.newest is None and facts.active is None,
        _upload,
    ),
    Rule(
        "first run waits",
        lambda facts: facts.active is not None and facts.newest is None,
        _watch,
    ),
    Rule("run failed", lambda facts: facts.failed is not None and facts.newest is None, _again),
    Rule("first run", lambda facts: facts.newest is None and facts.data is not None, _first_run),
    Rule("due soon", lambda facts: _may_hand_in(facts) and _due_soon(facts), _hand_in),
    Rule("run waits", lambda facts: facts.active is not None, _watch),
    Rule("result", lambda facts: facts.released and not (facts.edits or facts.ahead), _result),
    Rule("save edits", lambda facts: facts.edits > 0 and facts.data is not None, _save_edits),
    Rule("train again", _worth_training, _train_again),
    Rule("interview runs", lambda facts: facts.asking, _listen),
    Rule("interview", lambda facts: facts.heard is None, _interview),
    Rule("compare", lambda facts: facts.older is not None and not facts.compared, _compare),
    Rule(
        "fix answers",
        lambda facts: facts.heard is not None and facts.heard.open > FEW_LEFT,
        _fix,
    ),
    Rule(
        "next method",
        lambda facts: facts.missing is not None and facts.data is not None,
        _next_method,
    ),
    Rule("hand in", lambda facts: _may_hand_in(facts) and facts.due_in is not None, _hand_in),
    Rule("talk", lambda facts: True, _talk),
)
