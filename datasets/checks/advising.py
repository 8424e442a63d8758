"""Which method fits: the guide's three factors (goal, data, time), and what must not leave this machine, with reasons."""

from typing import Any, Literal

import msgspec

Goal = Literal["quick_personality", "subject_knowledge", "deep_personality"]
Time = Literal["quick", "moderate", "long"]
METHODS = ("dspy", "openai", "lora")
NAMES = {"dspy": "DSPy", "openai": "OpenAI fine-tuning", "lora": "LoRA"}


class Guideline(msgspec.Struct, frozen=True):
    """Rows that a method starts with at least, wants, and learns little beyond (None: the more the better)."""

    least: int
    wanted: int
    most: int | None
    span: str


GUIDELINES = {
    "dspy": Guideline(4, 10, 50, "10–50"),
    "openai": Guideline(10, 50, None, "50–100+"),
    "lora": Guideline(4, 100, None, "100+"),
}
"""The only table of its kind: the dataset's page, the advice, the form and its refusals read it. `least` is what the method
itself needs, the others are the guide's figures."""

_GOALS: dict[Goal, tuple[str, str]] = {
    "quick_personality": (
        "dspy",
        "adapts a personality quickly, by better prompting, without changing what the model knows",
    ),
    "subject_knowledge": (
        "openai",
        "teaches specific subject knowledge and answers in a steady pattern",
    ),
    "deep_personality": (
        "lora",
        "changes the personality most deeply and keeps it most consistent",
    ),
}
_TIMES: dict[Time, tuple[str, str]] = {
    "quick": ("dspy", "gives results within minutes"),
    "moderate": (
        "openai",
        "needs a moderate set-up and an hour or two of somebody else's machine",
    ),
    "long": ("lora", "rewards longer work: you can train again and again at no cost"),
}


class MethodAdvice(msgspec.Struct, kw_only=True, frozen=True):
    """One method: points (higher fits better), whether it can be used at all now, and why."""

    method: str
    name: str
    points: int
    possible: bool
    reasons: list[str]
    against: list[str]


class Advice(msgspec.Struct, kw_only=True, frozen=True):
    """All methods, the best first; `sentence` says the outcome."""

    best: str
    sentence: str
    methods: list[MethodAdvice]

    def as_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data


def guideline(method: str, rows: int) -> dict[str, Any]:
    """How a number of rows stands against a method's guideline: verdict too_few, few, good or plenty, and a sentence."""
    found = GUIDELINES[method]
    least, wanted, most, span = found.least, found.wanted, found.most, found.span
    if rows < least:
        verdict, told = (
            "too_few",
            f"{NAMES[method]} needs {least} rows at least; {least - rows} are missing.",
        )
    elif rows < wanted:
        verdict, told = (
            "few",
            f"It runs, but {NAMES[method]} wants {span} rows; {wanted - rows} more would help.",
        )
    elif most and rows > most:
        verdict, told = (
            "plenty",
            f"{NAMES[method]} wants {span} rows; choose the best ones or use a method that learns from more.",
        )
    else:
        verdict, told = "good", f"{rows} rows are what {NAMES[method]} wants ({span})."
    return {
        "least": least,
        "wanted": wanted,
        "most": most,
        "rows": rows,
        "span": span,
        "verdict": verdict,
        "sentence": told,
    }


def advice(
    *,
    rows: int,
    goal: Goal = "deep_personality",
    time: Time = "moderate",
    private: int = 0,
    cloud_closed: bool = False,
    stays_here: bool = False,
) -> Advice:
    """Advice for a dataset of `rows` rows. `private`: open privacy findings; `cloud_closed`: no cloud training to be had.
    `stays_here`: the OpenAI method trains on this machine, so its rows do not leave it."""
    judged = [
        _judge(method, rows, goal, time, private, cloud_closed, stays_here) for method in METHODS
    ]
    ranked = sorted(judged, key=lambda m: (not m.possible, -m.points, METHODS.index(m.method)))
    best = ranked[0]
    if not best.possible:
        sentence = f"No method works with {rows} rows yet: write {GUIDELINES['dspy'].least} good ones first, for DSPy."
    else:
        sentence = (
            f"{best.name} fits best: {'; '.join(best.reasons) or 'nothing speaks against it'}."
        )
    return Advice(best=best.method, sentence=sentence, methods=ranked)


def _judge(
    method: str,
    rows: int,
    goal: Goal,
    time: Time,
    private: int,
    cloud_closed: bool,
    stays_here: bool,
) -> MethodAdvice:
    points, possible = 0, True
    reasons: list[str] = []
    against: list[str] = []
    for chosen, (fits, why) in ((goal, _GOALS[goal]), (time, _TIMES[time])):
        if fits == method:
            points += 3 if chosen == goal else 2
            reasons.append(f"it {why}")
    size = guideline(method, rows)
    points += {"too_few": -4, "few": -1, "good": 3, "plenty": 0}[size["verdict"]]
    if size["verdict"] == "good":
        reasons.append(size["sentence"].rstrip("."))
    else:
        against.append(size["sentence"])
    possible = size["verdict"] != "too_few"
    here = (
        ("lora", "openai") if stays_here else ("lora",)
    )  # whose rows do not leave this machine
    if private and method not in here:
        possible = possible and method == "dspy"
        points -= 3
        where = (
            "its examples go into prompts; use a model on this machine"
            if method == "dspy"
            else "rows would leave this machine"
        )
        against.append(f"{private} open privacy finding{'' if private == 1 else 's'}: {where}.")
    elif private:
        points += 2
        reasons.append("the rows stay on this machine, which matters with open privacy findings")
    if cloud_closed and method == "openai":
        possible, points = False, points - 3
        against.append("No provider trains for you at the moment.")
    return MethodAdvice(
        method=method,
        name=NAMES[method],
        points=points,
        possible=possible,
        reasons=reasons,
        against=against,
    )
