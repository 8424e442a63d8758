"""What a set of answers to fresh questions says about a bot: changed, language, a child's, sums right, repeating itself.

Each answer is read by itself and among the others, so that no constant passes: one sentence said to every question repeats
itself, however childlike it is, and a list of numbers is no right sum.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from second_grade import childlikeness, not_talk
from second_grade.spelling import zipf

VERSION = "1"
"""Goes up whenever a figure may come out otherwise for the same answers; stored with every verdict."""
REPEATED_WORDS = 4  # so many words in a row, said again within one answer
REPEATED_ANSWERS = 4  # the same answer to more than a quarter of the questions is a formula
FEWEST_REPEATED = 3
FEWEST_TO_TELL = 10  # words of an answer by which Latin languages are told apart
RAREST = 2.0  # Zipf: ten times in a thousand million words
FEWEST_MADE_UP = 2
MADE_UP_SHARE = 0.25
CLAIM = re.compile(
    r"(?:\bis|\bit's|\bits|\bmakes|\bequals|\bgot|\bget|\banswer|=)\s*:?\s*(?:like |um,? |about )?(\d+)\b"
)
PLAIN_SUM = re.compile(r"(\d{1,4}) ?([+-]) ?(\d{1,4})\?$")
NUMBER = re.compile(r"\d+")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
ONES = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)


@dataclass(frozen=True)
class Asked:
    """A question. `total`: the right number where it is a sum, else None."""

    question: str
    total: int | None = None


@dataclass(frozen=True)
class AnswerRead:
    """What was read from one answer. `right`: whether its sum is right; None where none was asked."""

    changed: bool
    language: bool
    childlike: bool
    repeats: bool
    right: bool | None

    @property
    def sound(self) -> bool:
        """Without a hard fault: other than the base's, words, no loop."""
        return self.changed and self.language and not self.repeats

    @property
    def good(self) -> bool:
        """What a team wants: other than the base's, words, a child's, and no loop."""
        return self.sound and self.childlike


@dataclass(frozen=True)
class Verdict:
    """All answers of one bot, in the order of the questions."""

    answers: list[AnswerRead]

    def count(self, name: str) -> int:
        """How many answers are `changed`, `language`, `childlike`, `repeats`, `right`, `sound` or `good`."""
        return sum(bool(getattr(answer, name)) for answer in self.answers)

    @property
    def sums(self) -> int:
        """How many of the questions were sums."""
        return sum(answer.right is not None for answer in self.answers)

    @property
    def worth(self) -> tuple[int, int, int]:
        """For choosing between checkpoints: first the answers without a hard fault, then good ones, then right sums.

        One answer's child-likeness is little to go by: a chatterbox's long answers read less like a child's than loops do.
        """
        return self.count("sound"), self.count("good"), self.count("right")


def judge(
    asked: Sequence[Asked], answers: Sequence[str], base_answers: Sequence[str | None]
) -> Verdict:
    """Read `answers`, one to each question. `base_answers`: the untrained base's, None where it was not asked."""
    formulas = _formulas(asked, answers)
    read = []
    for question, answer, of_base in zip(asked, answers, base_answers, strict=True):
        is_words = is_language(answer)
        read.append(
            AnswerRead(
                changed=of_base is None or _plain(answer) != _plain(of_base),
                language=is_words,
                childlike=is_words and childlike(answer),
                repeats=bool({_plain(answer), _without_numbers(answer)} & formulas)
                or repeats_within(answer),
                right=None
                if question.total is None
                else claimed(answer, question.question) == question.total,
            )
        )
    return Verdict(read)


def is_language(answer: str) -> bool:
    """Whether these are words that make sense beside each other; a number alone is language too."""
    if NUMBER.search(answer) and not re.search(r"[^\W\d_]", answer):
        return True
    trouble = not_talk.problem([answer])
    words = [word for word in _plain(answer).split() if word.isalpha()]
    if (
        trouble is not None
        and trouble.startswith(not_talk.OTHER_LANGUAGE)
        and len(words) < FEWEST_TO_TELL
    ):
        trouble = (
            None if all(zipf(word) >= RAREST for word in words) else trouble
        )  # few words are words of many languages
    return trouble in (None, not_talk.REPETITION) and not _has_made_up_words(answer)


def _has_made_up_words(answer: str) -> bool:
    """Two words or more that nobody writes, and they are many. A set of answers may hold a few invented spellings; a model
    that has lost its language makes up half of a sentence."""
    words = [word for word in _plain(answer).split() if word.isalpha()]
    unknown = [word for word in words if zipf(word) < RAREST]
    return len(unknown) >= FEWEST_MADE_UP and len(unknown) > MADE_UP_SHARE * len(words)


def childlike(answer: str) -> bool:
    """Whether one answer reads like a second-grader's."""
    return childlikeness.read_one(answer).childlike


def repeats_within(answer: str) -> bool:
    """Whether four words in a row come again, or one word three times in a row. Counting on is no repetition."""
    words = [word for word in _plain(answer).split() if not word.isdigit()]
    thrice = zip(words, words[1:], words[2:], strict=False)
    if any(first == second == third for first, second, third in thrice):
        return True
    runs = [
        tuple(words[place : place + REPEATED_WORDS])
        for place in range(len(words) - REPEATED_WORDS + 1)
    ]
    return len(set(runs)) < len(runs)


def claimed(answer: str, question: str) -> int | None:
    """The number that an answer commits itself to: what "it is" or "=" names last, else the last number that was not in
    the question. None where there is none."""
    said = _with_digits(answer)
    claims = CLAIM.findall(said)
    if claims:
        return int(claims[-1][:9])
    given = set(NUMBER.findall(question))
    others = [number for number in NUMBER.findall(said) if number not in given]
    return int(others[-1][:9]) if others else None


def total_of(question: str) -> int | None:
    """The right number, where the question is a plain sum of two numbers ("What is 15 + 8?"); else None."""
    found = PLAIN_SUM.search(question)
    if found is None:
        return None
    left, right = int(found[1]), int(found[3])
    return left + right if found[2] == "+" else left - right


def _with_digits(text: str) -> str:
    """Lower case, with number words up to ninety-nine as digits."""
    found = []
    for word in re.split(r"(\W+)", text.lower().replace("’", "'")):
        found.append(str(_value(word)) if _value(word) is not None else word)
    joined = "".join(found)
    return re.sub(r"\b([2-9])0[- ]([1-9])\b", r"\1\2", joined)


def _value(word: str) -> int | None:
    return TENS.get(word, ONES.index(word) if word in ONES else None)


def _formulas(asked: Sequence[Asked], answers: Sequence[str]) -> set[str]:
    """Answers that are given to too many questions. To questions that are no sums, their numbers may differ."""
    limit = max(FEWEST_REPEATED, len(answers) // REPEATED_ANSWERS + 1)
    times = Counter(_plain(answer) for answer in answers)
    stripped = [
        _without_numbers(answer)
        for one, answer in zip(asked, answers, strict=True)
        if one.total is None
    ]
    return {
        text
        for counted in (times, Counter(stripped))
        for text, count in counted.items()
        if count >= limit
    }


def _without_numbers(text: str) -> str:
    return " ".join(word for word in _plain(text).split() if not word.isdigit())


def _plain(text: str) -> str:
    return " ".join(word.lower().replace("’", "'") for word in WORD.findall(text))
