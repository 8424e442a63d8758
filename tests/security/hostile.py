"""Texts and rows made to be slow to check, each in any size: what an attacker uploads to block the platform."""

import re
from collections.abc import Callable, Iterator

from datasets.formats import Message, Row

LONGEST_TURN = 50_000
"""Characters of one turn; longer texts are told in several, as the row rules would have it."""


def talk(*texts: str, line: int = 1) -> Row:
    """A row in which teacher and student say the same texts."""
    roles = ("user", "assistant")
    messages: list[Message] = [{"role": role, "content": text} for text in texts for role in roles]
    return Row(line=line, messages=messages, labels={"subject": texts[0][:50]}, extra={"note": texts[0]})


REPEATED = {
    "e-mail addresses": "a@b.cc ",
    "signs of addresses": "a@",
    "dots and addresses": "a@a.",
    "social security numbers": "123-45-6789 ",
    "telephone numbers": "801-555-2368 ",
    "numbers abroad": "+1234567890123456789 ",
    "full names": "Emma Johnson ",
    "names without end": "Emma-Johnson",
    "double names": "Emma Johnson-Aaron ",
    "titled teachers": "Mrs. Rodriguez ",
    "real children": "my student Emma ",
    "commas after a child": ",",
    "child named named": " named",
    "schools": "Maple Ridge Elementary School ",
    "school names": "Aa ",
    "addresses": "9 Oak Ave ",
    "half addresses": "9 Oak ",
    "post boxes": "PO Box 7 ",
    "birthdays": "born March 3, 2017. ",
    "half birthdays": "born jan",
    "ids that go on": "ID-",
    "pupils' numbers": "student id ",
    "calls": "call me ",
    "blanks": " ",
    "lines": "\n",
    "blank lines": "\n ",
    "full stops": ".",
    "questions": "?",
    "exclamations": "!",
    "quotes after stops": '."',
    "one letter": "a",
    "one capital": "A",
    "capital words": "Aa",
    "one digit": "1",
    "digits and points": "1.",
    "digits and blanks": "1 ",
    "apostrophes": "a's",
    "contractions": "a'd",
    "short words": "a b ",
    "heavy": "heav",
    "heavy things": "heavy ",
    "why": "why ",
    "because": "because a is bigger than b ",
    "sun": "closer sun ",
    "you are": "you are ",
    "um": "um",
    "hmm": "hm",
    "utilise": "utilise",
    "algebra": "algebra",
    "divide": "divid",
    "underscores": "_",
    "hyphens": "-",
}
OPENERS = ("", "student id", "my student", "my name is", "birthday jan", "9 ", "Aa ", "it's ", "why ")
"""What must stand before the repeated piece for some rule to begin to look at it."""


def long_texts() -> Iterator[tuple[str, Callable[[int], list[Row]]]]:
    """(name, maker of rows with about so many characters) of each kind of long text."""
    for name, piece in REPEATED.items():
        yield name, _maker(piece)


def _maker(piece: str) -> Callable[[int], list[Row]]:
    def make(size: int) -> list[Row]:
        texts = [f"{opener}{piece * (LONGEST_TURN // len(piece))}x1" for opener in OPENERS]
        whole = (texts * (size // (len(texts) * LONGEST_TURN) + 1))[: max(1, size // LONGEST_TURN)]
        last = f"{piece * (min(size, LONGEST_TURN) // len(piece))}x1"
        return [talk(*whole)] if size >= LONGEST_TURN else [talk(last)]

    return make


def _said(question: str, answer: str, line: int) -> Row:
    messages: list[Message] = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Row(line=line, messages=messages)


def _nearly_alike(rows: int) -> list[Row]:
    """Every row shares most of its words with every other one, but not enough to be a double."""
    shared = " ".join(f"word{number}" for number in range(40))
    return [_said("Tell me.", f"{shared} {_own(number, 7)}", number) for number in range(rows)]


def _own(number: int, words: int) -> str:
    return " ".join(f"own{number}x{place}" for place in range(words))


def _chain(rows: int) -> list[Row]:
    """Each row is a double of the next one: one group of all."""
    return [
        _said("Tell me.", " ".join(f"w{place}" for place in range(number, number + 40)), number)
        for number in range(rows)
    ]


def _equal(rows: int) -> list[Row]:
    return [_said("Why?", "Um, I think so!", number) for number in range(rows)]


def _all_different(rows: int) -> list[Row]:
    """Every row names somebody, has an address of its own, and a word and a label that no other row has."""
    made = []
    for number in range(rows):
        name = f"Emma Smith-{_letters(number)}"
        row = _said(f"Is my student {name} here?", f"Mail person{number}@school.org, word{_letters(number)}.", number)
        row.labels["subject"] = f"subject {number}"
        row.labels["source"] = f"Maple {_letters(number)} Elementary School"
        made.append(row)
    return made


def _letters(number: int) -> str:
    return "A" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _one_row_full_of_children(size: int) -> list[Row]:
    text = " ".join(f"My student Emma Smith-{_letters(number)} is here." for number in range(size))
    return [talk(text)]


MANY_ROWS: dict[str, Callable[[int], list[Row]]] = {
    "nearly alike": _nearly_alike,
    "a chain of doubles": _chain,
    "all equal": _equal,
    "all different": _all_different,
    "one row full of children": _one_row_full_of_children,
}


def texts_against(pattern: "re.Pattern[str]") -> Iterator[tuple[str, str]]:
    """(opener, piece to repeat) that a pattern's own words suggest, beside those that suit any pattern."""
    for piece in REPEATED.values():
        yield from ((opener, piece) for opener in OPENERS[:3])
    for word in sorted(set(re.findall(r"[A-Za-z]{2,}", pattern.pattern))):
        yield from (("", piece) for piece in (word, f"{word} ", f"{word}-", f"{word.capitalize()} "))
