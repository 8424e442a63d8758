"""Whether an answer says what the child said, in words that make sense. Pure: words and numbers only, no model.

A different sentence with the same claim ("It's 15!" for "6 and 9 make 15") is nearly as good as the child's own; the same
words in another order, the teacher's question said back, or a sentence that would fit any question are not.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A word that is spelled out ("c-a-t") is one word.
_TOKEN = re.compile(r"\d+|\b[^\W\d_](?:-[^\W\d_])+\b|[^\W\d_]+(?:'[^\W\d_]+)?")
_UNITS = "zero one two three four five six seven eight nine ten"
_TEENS = "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {word: number for number, word in enumerate(f"{_UNITS} {_TEENS}".split())}
TENS = {word: 10 * place for place, word in enumerate(_TENS.split(), 2)}
NUMBERS |= TENS | {"none": 0, "hundred": 100}
del NUMBERS["one"]  # "the red one", "one of them": seldom a number

DETERMINERS = _set("a an the my your his her our their its")
PRONOUNS = _set("i he she we they me him us them it")
PREPOSITIONS = _set("of at from into with for about between under over like")
BE = _set("am is are was were")
_FUNCTION = DETERMINERS | PRONOUNS | PREPOSITIONS | BE
_FUNCTION |= _set(
    "and or but so because if when where what who how why which that this these those there then than to in on by as "
    "do does did don't doesn't didn't can can't could will won't would be been have has had not no yes yeah just very "
    "too also it's i'm he's she's they're we're that's you're you i'll let let's go get got goes one ones some all any "
    "more most much many up down out off again really maybe kind kinda lots lot"
)
# What a child may add to any answer at all: it says nothing about the question.
_FILLERS = _set(
    "um umm uh hmm oh ooh yay hee ha wow okay ok well wait hey know knows think thinks sure pretty guess forget wonder "
    "teacher mom dad grandma grandpa mommy daddy said says told showed talked learned learn learning saw read used "
    "circle time tv book pictures fingers toes paper dots cubes counted drew wrote notebook school class sticker "
    "easy hard tricky cool good fun funny important right true try remember helps help me another thing"
)
_STOP = 0.12
_FROM_QUESTION = 0.35
_KEY = 1.0
_NUMBER = 2.0
_COMMITS = _set("is it's makes make equals get gets was be says like")
_YES = _set("yes yeah yep yay sure")
_NO = _set("no nope nah")
_ASKS_NUMBER = _set("many much old number add count half double plus minus times sum time less")
_ASKS_YES_OR_NO = _set("is are am was were do does did can could will would have has should")
SAME_NUMBER = 0.8
SAME_YES = 0.5
OTHER_CLAIM = 0.35
MOST_ORDERED = 300
"""Words whose order is looked at: the time that takes grows with the square."""
FEWEST_FOR_ORDER = 4
"""With fewer common words than this, their order says nothing."""


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers of `text`, numbers written out as digits ("twenty one" as 21)."""
    found: list[str] = []
    tens = False
    for word in _TOKEN.findall(text.lower().replace("’", "'")):
        number = int(word) if word.isdecimal() and len(word) < 12 else NUMBERS.get(word)
        number = 1 if tens and word == "one" else number
        if number is None:
            found.append(word)
        elif tens and 0 < number < 10 and not word.isdecimal():  # "seventy-two"
            found[-1] = str(int(found[-1]) + number)
        else:
            found.append(str(number))
        tens = number is not None and word in TENS
    return found


def answered(answer: str, reference: str, question: str = "") -> float:
    """How far `answer` claims what `reference` claims, 0 to 1; 1 for the reference itself."""
    said, wanted, asked = words_of(answer), words_of(reference), set(words_of(question))
    if not said or not wanted:
        return float(said == wanted)
    alike = _alike(list(map(stem, said)), list(map(stem, wanted)), set(map(stem, asked)))
    near = math.pow(alike, 0.75)
    same = _same_claim(said, wanted, asked)
    if same is None:
        return near
    return max(near, same * _brevity(said, wanted)) if same else near * OTHER_CLAIM


def makes_sense(answer: str, reference: str) -> float:
    """1 for words in an order that speech has, down to 0 for words in any order.

    Known from two things: the words that `reference` has too come in its order, and little words stand before what
    they belong to ("the my of" is no English).
    """
    order = _order(words_of(answer)[:MOST_ORDERED], words_of(reference)[:MOST_ORDERED])
    return order * max(0.0, 1.0 - 4.0 * _misplaced(answer))


def stem(word: str) -> str:
    """Without the commonest endings, so that "plants need" and "a plant needs" are alike."""
    for ending in ("ies", "es", "s", "ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def _alike(said: Sequence[str], wanted: Sequence[str], asked: set[str]) -> float:
    """Weighted F1 of the words; half of it where none of the words that matter is in both."""
    left, right = Counter(said), Counter(wanted)
    common = left & right
    total = _weight_of(left, asked) + _weight_of(right, asked)
    f1 = 2 * _weight_of(common, asked) / total if total else 0.0
    has_key = any(_weight(word, asked) > _STOP for word in right)
    shares_key = any(_weight(word, asked) > _STOP for word in common)
    return f1 * (0.5 if has_key and not shares_key else 1.0)


def _weight_of(words: Counter[str], asked: set[str]) -> float:
    return sum(count * _weight(word, asked) for word, count in words.items())


_STOP_STEMS = frozenset(map(stem, _FUNCTION | _FILLERS))


def _weight(word: str, asked: set[str]) -> float:
    if word in _STOP_STEMS:
        return _STOP
    if word in asked:
        return _FROM_QUESTION
    return _NUMBER if word.isdecimal() else _KEY


def _same_claim(said: Sequence[str], wanted: Sequence[str], asked: set[str]) -> float | None:
    """What it is worth that both settle on one number, or both say yes; 0 where they differ, None where nothing of
    the kind is asked or said."""
    theirs = committed_number(wanted, asked)
    if theirs is not None and _asks_number(asked):
        return SAME_NUMBER * (committed_number(said, asked) == theirs)
    if not asked & _ASKS_YES_OR_NO:
        return None
    ours_yes, theirs_yes = _yes_or_no(said), _yes_or_no(wanted)
    if ours_yes is None or theirs_yes is None:
        return None
    return SAME_YES * (ours_yes == theirs_yes)


def _asks_number(asked: set[str]) -> bool:
    """An unknown question may ask anything."""
    return not asked or bool(asked & _ASKS_NUMBER) or any(word.isdecimal() for word in asked)


def committed_number(words: Sequence[str], asked: set[str]) -> str | None:
    """The number that a speaker settles on: after "it's", "is", "makes"; else the last that the question did not have."""
    numbers = [place for place, word in enumerate(words) if word.isdecimal()]
    settled = [place for place in numbers if place and words[place - 1] in _COMMITS]
    fresh = [place for place in settled or numbers if words[place] not in asked]
    chosen = fresh or settled or numbers
    return words[chosen[-1]] if chosen else None


def _yes_or_no(words: Sequence[str]) -> bool | None:
    for word in words[:3]:
        if word in _YES:
            return True
        if word in _NO:
            return False
    return None


def _brevity(said: Sequence[str], wanted: Sequence[str]) -> float:
    """1 while the answer is not much longer than the child's: one right number in a long list of others is no answer."""
    numbers = len(
        {word for word in said if word.isdecimal()}
        - {word for word in wanted if word.isdecimal()}
    )
    return min(1.0, (2 * len(wanted) + 8) / len(said)) / (1.0 if numbers <= 3 else numbers - 2)


def _order(said: Sequence[str], wanted: Sequence[str]) -> float:
    """How far the words that both have come in the same order: 1 as in `wanted`, 0 as by chance."""
    common = Counter(said) & Counter(wanted)
    ours, theirs = _only(said, common), _only(wanted, common)
    size = len(ours)
    if size < FEWEST_FOR_ORDER:
        return 1.0
    # Two sentences of a few common little words have them in any order; a shuffled answer has nearly all of its words.
    counts = min(1.0, max(0.0, (size / max(len(said), len(wanted)) - 0.5) / 0.35))
    by_chance = min(
        0.75, 2.0 / math.sqrt(size)
    )  # of a random order, the longest rising part is about twice the root
    kept = longest_common(ours, theirs) / size
    in_order = min(1.0, max(0.0, (kept - by_chance) / (1.0 - by_chance)) / 0.6)
    return 1.0 - counts * (1.0 - in_order)


def _only(words: Sequence[str], counts: Counter[str]) -> list[str]:
    left = Counter(counts)
    kept = []
    for word in words:
        if left[word] > 0:
            left[word] -= 1
            kept.append(word)
    return kept


def longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest sequence of words that both have in this order. Time: the product of both lengths."""
    row = [0] * (len(right) + 1)
    for one in left:
        before = 0
        for place, other in enumerate(right, 1):
            kept = row[place]
            row[place] = before + 1 if one == other else max(row[place], row[place - 1])
            before = kept
    return row[-1]


_CLAUSE = re.compile(r"[.!?…,;:]+")
_NEVER_AFTER_DETERMINER = (
    DETERMINERS | PRONOUNS | PREPOSITIONS | BE | _set("and or but because to in on")
)
_NEVER_AFTER_PREPOSITION = BE | _set("and or but of i he she we they")
_NEVER_LAST = DETERMINERS | _set("and or because of from into")


def _misplaced(text: str) -> float:
    """Share of neighbouring words of which the first can't stand before the second; sentence by sentence."""
    pairs = wrong = 0
    for clause in _CLAUSE.split(text.lower().replace("’", "'")):
        words = _TOKEN.findall(clause)
        pairs += len(words)
        wrong += sum(map(_cannot_follow, words, words[1:]))
        wrong += bool(words) and words[-1] in _NEVER_LAST and len(words) > 1
    return wrong / pairs if pairs else 0.0


def _cannot_follow(first: str, second: str) -> bool:
    if first in DETERMINERS and first not in {"her", "a"}:
        return second in _NEVER_AFTER_DETERMINER
    if first in {"a", "an", "her"}:
        return second in (DETERMINERS | BE if first == "her" else _NEVER_AFTER_DETERMINER)
    if first in {"of", "from", "into", "with"}:
        return second in _NEVER_AFTER_PREPOSITION
    return first == "i" and second in {"is", "are", "it's", "has", "does", "the", "a"}
