"""Words, sentences and likeness: what retrieval and style are computed from."""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rehearsal.rows import Exchange

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+")
SENTENCE = re.compile(r".+?(?:[.!?…]{1,8}[\"')\]]*(?=\s|$)|$)", re.DOTALL)
WITHOUT_TOPIC = (
    "a an the and or but if so of to in on at by for with from into as is are was were be been am do does did "
    "have has had can could will would should may might must it its it's this that these those there here what "
    "which who whom why how when where you your yours i i'm me my we our us he she they them their his her not no "
    "yes please tell explain about know think say said some any just very really also than then up out get gets "
    "got make makes let let's me's one come comes happen happens want hear remember learn learned describe idea "
    "mean share today now question answer try find something anything thing things different call called"
)
STOP_WORDS = frozenset(WITHOUT_TOPIC.split())
ENDINGS = ("ings", "ing", "edly", "ed", "ies", "es", "ly", "s")
ANSWER_SHARE = 0.25
UNSEEN_SHARE = 0.7
"""Words of a question that no row has speak against every row, but less than a rare word they share speaks for one."""


def words(text: str) -> list[str]:
    """Lower-case words and numbers, in order."""
    return WORD.findall(text.lower().replace("\u2019", "'"))


def stem(word: str) -> str:
    """A word without its commonest endings, so that "plants" meets "plant" and "growing" meets "grow"."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word.rstrip("e") if len(word) > 4 else word


def terms(text: str) -> list[str]:
    """The words that carry a topic, as stems; a number counts as itself and as a number."""
    found = []
    for word in words(text):
        if word.isdigit():
            found += ["#", word]
        elif word not in STOP_WORDS:
            found.append(stem(word))
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with its end mark."""
    return [found.strip() for found in SENTENCE.findall(text) if found.strip()]


@dataclass(frozen=True, slots=True)
class Match:
    """A row found for a question, and how alike they are (0 to 1)."""

    exchange: Exchange
    likeness: float


class Index:
    """Finds the rows whose question (and, less, whose answer) is most like a question: TF-IDF and the cosine."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.exchanges = exchanges
        asked = [Counter(terms(exchange.question)) for exchange in exchanges]
        told = [Counter(terms(exchange.answer)) for exchange in exchanges]
        spread = Counter(term for bag in asked + told for term in bag)
        total = 2 * len(exchanges)
        self._weight = {term: math.log(1 + total / count) for term, count in spread.items()}
        self._unseen = UNSEEN_SHARE * math.log(1 + total)
        self._asked = self._postings(asked)
        self._told = self._postings(told)

    def _postings(self, bags: Sequence[Counter[str]]) -> dict[str, list[tuple[int, float]]]:
        lists: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, bag in enumerate(bags):
            vector = self._vector(bag)
            for term, value in vector.items():
                lists[term].append((number, value))
        return lists

    def _vector(self, bag: Counter[str]) -> dict[str, float]:
        raw = {term: count * self._weight.get(term, self._unseen) for term, count in bag.items()}
        length = math.sqrt(sum(value * value for value in raw.values())) or 1.0
        return {term: value / length for term, value in raw.items()}

    def search(self, question: str, most: int = 5) -> list[Match]:
        """The likeliest rows, best first; rows with nothing in common are left out. Equal rows keep their order."""
        scores: dict[int, float] = defaultdict(float)
        for term, value in self._vector(Counter(terms(question))).items():
            for number, other in self._asked.get(term, ()):
                scores[number] += value * other
            for number, other in self._told.get(term, ()):
                scores[number] += ANSWER_SHARE * value * other
        best = heapq.nsmallest(most, scores.items(), key=lambda pair: (-pair[1], pair[0]))
        return [Match(self.exchanges[number], min(1.0, score)) for number, score in best]


@dataclass(frozen=True, slots=True)
class Chance:
    """Decisions that look random and repeat: the same question and key give the same number. `noise` differs between
    samples at temperature above 0; `heat` (0 to 1) says how much it counts."""

    question: str
    noise: str = ""
    heat: float = 0.0

    def number(self, key: str) -> float:
        """A number from 0 up to 1."""
        steady = uniform(" ".join(words(self.question)), key)
        return (1 - self.heat) * steady + self.heat * uniform(self.noise, self.question, key)

    def pick(self, key: str, options: Sequence[str]) -> str:
        """One of some options; "" where there are none."""
        return options[min(int(self.number(key) * len(options)), len(options) - 1)] if options else ""


def uniform(*parts: str) -> float:
    """A number from 0 up to 1 made from texts."""
    value = hashlib.blake2b("|".join(parts).encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return float(int.from_bytes(value, "big") / 2**48)
