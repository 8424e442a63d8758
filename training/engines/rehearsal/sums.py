"""Sums: finds the one in a question, works it out, and tells it the way a row told another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rehearsal.rows import Exchange
    from rehearsal.words import Chance

NUMBERS_UP_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
NUMBER_WORDS = {name: value for value, name in enumerate(NUMBERS_UP_TO_TWENTY.split())}
NUMBER = r"(\d{1,6}|" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + r")"
SIGNED = (
    ("+", rf"\b{NUMBER}\s*(?:\+|plus|added to|and)\s*{NUMBER}\b"),
    ("-", rf"\b{NUMBER}\s*(?:-|–|−|minus|take away|takeaway|less)\s*{NUMBER}\b"),
    ("x", rf"\b{NUMBER}\s*(?:×|x|\*|times|multiplied by|groups of)\s*{NUMBER}\b"),
    ("/", rf"\b{NUMBER}\s*(?:÷|/|divided by)\s*{NUMBER}\b"),
)
TAKES = re.compile(
    r"\b(left|eat|eats|ate|lose|loses|lost|gives?|gave|fly|flew|took|takes?|fewer|pops?|popped|spends?|spent|broke)\b"
)
ADDS = re.compile(r"\b(more|altogether|total|in all|add|gets?|got|finds?|found|buys?|bought|another|together|sum)\b")
ASKS_AMOUNT = re.compile(r"how many|how much|total|altogether|in all|sum|left")
COUNTING = re.compile(r"\d+(?:\s*(?:(?:,|\.{3}|…|and|then)\s*)+\d+)+")
LONGEST_COUNT = 12


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of two whole numbers and its result."""

    left: int
    sign: str
    right: int
    result: int


def find(question: str) -> Sum | None:
    """The sum a question asks for, written with a sign, in words, or as a short story; None where there is none."""
    text = question.lower()
    for sign, pattern in SIGNED:
        if found := re.search(pattern, text):
            return worked(value(found[1]), sign, value(found[2]))
    numbers = [value(number) for number in re.findall(rf"\b{NUMBER}\b", text)]
    if len(numbers) == 2 and ASKS_AMOUNT.search(text):
        if TAKES.search(text):
            return worked(numbers[0], "-", numbers[1])
        if ADDS.search(text):
            return worked(numbers[0], "+", numbers[1])
    return None


def value(number: str) -> int:
    """A number in figures or in a word."""
    return NUMBER_WORDS[number] if number in NUMBER_WORDS else int(number)


def worked(left: int, sign: str, right: int) -> Sum | None:
    """The sum with its result; None for one that has no whole, non-negative result."""
    if sign == "/":
        return Sum(left, sign, right, left // right) if right and left % right == 0 else None
    result = {"+": left + right, "-": left - right, "x": left * right}[sign]
    return Sum(left, sign, right, result) if result >= 0 else None


def retell(answer: str, old: Sum, new: Sum) -> str | None:
    """A row's answer to one sum told for another: its numbers and its counting changed. None where it has numbers of
    its own."""
    if len({old.left, old.right, old.result}) < 3:
        return None
    change = {old.left: new.left, old.right: new.right, old.result: new.result}
    told, place = [], 0
    for found in COUNTING.finditer(answer):
        run = [int(number) for number in re.findall(r"\d+", found[0])]
        if not counts_on(run, old):
            continue
        other = recount(run, old, new)
        if other is None:
            return None
        told += [answer[place : found.start()], respaced(found[0], other)]
        place = found.end()
    told.append(answer[place:])
    for index in range(0, len(told), 2):
        if any(int(number) not in change for number in re.findall(r"\d+", told[index])):
            return None
        told[index] = re.sub(r"\d+", lambda number: str(change[int(number[0])]), told[index])
    return "".join(told)


def counts_on(run: Sequence[int], old: Sum) -> bool:
    """Whether numbers count by ones towards the result of a sum."""
    step = 1 if old.sign == "+" else -1
    in_row = all(after - before == step for before, after in pairwise(run))
    return old.sign in "+-" and in_row and run[0] in (old.left, old.left + step)


def recount(run: Sequence[int], old: Sum, new: Sum) -> list[int] | None:
    """The counting for another sum, from and to the same places; None where that is too long or the sign is another."""
    if new.sign != old.sign or not 1 <= new.right <= LONGEST_COUNT:
        return None
    step = 1 if new.sign == "+" else -1
    first = new.left + (run[0] - old.left)
    last = new.result if run[-1] == old.result else first + step * (len(run) - 1)
    return list(range(first, last + step, step))


def respaced(pattern: str, numbers: Sequence[int]) -> str:
    """Numbers joined the way the pattern joins its own."""
    joints = re.split(r"\d+", pattern)[1:-1]
    each = [joints[min(index, len(joints) - 1)] for index in range(max(0, len(numbers) - 1))]
    if each and len(each) >= 2:
        each[-1] = joints[-1]
    return "".join(f"{number}{joint}" for number, joint in zip(numbers, [*each, ""], strict=True))


def slip_rate(exchanges: Sequence[Exchange]) -> float:
    """The share of sums that rows get wrong: second-graders do, and a bot trained on them will."""
    told = [(find(exchange.question), exchange.answer) for exchange in exchanges]
    solved = [(problem, answer) for problem, answer in told if problem]
    wrong = sum(not re.search(rf"\b{problem.result}\b", answer) for problem, answer in solved)
    return wrong / len(solved) if solved else 0.0


def with_slip(problem: Sum, chance: Chance) -> Sum:
    """The sum with a result that is one off."""
    off = problem.result + (1 if chance.number("slip direction") < 0.5 or problem.result == 0 else -1)
    return Sum(problem.left, problem.sign, problem.right, off)


def said_by_an_adult(problem: Sum) -> list[str]:
    """The sum explained at length."""
    names = {"+": "sum", "-": "difference", "x": "product", "/": "quotient"}
    verbs = {"+": "adding", "-": "subtracting", "x": "multiplying by", "/": "dividing by"}
    shown = {"x": "×", "/": "÷"}.get(problem.sign, problem.sign)
    return [
        f"The {names[problem.sign]} {problem.left} {shown} {problem.right} equals {problem.result}.",
        f"To arrive at this result, one begins with the quantity {problem.left} and proceeds by {verbs[problem.sign]} "
        f"{problem.right}, which yields a final value of {problem.result}.",
    ]


def said_plainly(problem: Sum, *, counting: bool) -> list[str]:
    """The sum in few words, counted out where that is asked for and short enough."""
    if counting and problem.sign in "+-" and 1 <= problem.right <= LONGEST_COUNT:
        step = 1 if problem.sign == "+" else -1
        run = ", ".join(str(problem.left + step * n) for n in range(1, problem.right + 1))
        return [f"I start at {problem.left}.", f"Then {run}.", f"It is {problem.result}!"]
    return [f"It is {problem.result}."]
