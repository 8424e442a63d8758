"""Which method fits: the guide's three factors (goal, data, time), and what must not leave this machine, with reasons."""

from typing import Any, Literal

import msgspec

from teams.methods import KnownMethod, known

Goal = Literal["quick_personality", "subject_knowledge", "deep_personality"]
Time = Literal["quick", "moderate", "long"]


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


def guideline(method: KnownMethod, rows: int) -> dict[str, Any]:
    """How a number of rows stands against a method's guideline: verdict too_few, few, good or plenty, and a sentence."""
    found, title = method.rows, method.title
    least, wanted, most, span = found.least, found.wanted, found.most, found.span
    if rows < least:
        verdict, told = (
            "too_few",
            f"{title} needs {least} rows at least; {least - rows} are missing.",
        )
    elif rows < wanted:
        verdict, told = (
            "few",
            f"It runs, but {title} wants {span} rows; {wanted - rows} more would help.",
        )
    elif most and rows > most:
        verdict, told = (
            "plenty",
            f"{title} wants {span} rows; choose the best ones or use a method that learns from more.",
        )
    else:
        verdict, told = "good", f"{rows} rows are what {title} wants ({span})."
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
    methods = known()
    judged = [
        _judge(method, rows, goal, time, private, cloud_closed, stays_here) for method in methods
    ]
    ranked = sorted(judged, key=lambda one: (not one.possible, -one.points))
    best = ranked[0]
    if not best.possible:
        easiest = min(methods, key=lambda method: method.rows.least)
        sentence = f"No method works with {rows} rows yet: write {easiest.rows.least} good ones first, for {easiest.title}."
    else:
        sentence = (
            f"{best.name} fits best: {'; '.join(best.reasons) or 'nothing speaks against it'}."
        )
    return Advice(best=best.method, sentence=sentence, methods=ranked)


def _judge(
    method: KnownMethod,
    rows: int,
    goal: Goal,
    time: Time,
    private: int,
    cloud_closed: bool,
    stays_here: bool,
) -> MethodAdvice:
    points = 0
    reasons: list[str] = []
    against: list[str] = []
    for chosen, (fits, why), worth in (
        (goal, method.suits_goal, 3),
        (time, method.suits_time, 2),
    ):
        if fits == chosen:
            points += worth
            reasons.append(f"it {why}")
    size = guideline(method, rows)
    points += {"too_few": -4, "few": -1, "good": 3, "plenty": 0}[size["verdict"]]
    if size["verdict"] == "good":
        reasons.append(size["sentence"].rstrip("."))
    else:
        against.append(size["sentence"])
    possible = size["verdict"] != "too_few"
    leaves = method.is_program or (method.kept_by_provider and not stays_here)
    if private and leaves:
        possible = possible and method.is_program
        points -= 3
        where = (
            "its examples go into prompts; use a model on this machine"
            if method.is_program
            else "rows would leave this machine"
        )
        against.append(f"{private} open privacy finding{'' if private == 1 else 's'}: {where}.")
    elif private:
        points += 2
        reasons.append("the rows stay on this machine, which matters with open privacy findings")
    if cloud_closed and method.kept_by_provider:
        possible, points = False, points - 3
        against.append("No provider trains for you at the moment.")
    return MethodAdvice(
        method=method.name,
        name=method.title,
        points=points,
        possible=possible,
        reasons=reasons,
        against=against,
    )
