"""Every check takes time in proportion to what it reads, whatever an attacker wrote into the rows."""

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import second_grade
from datasets import checks
from datasets.checks.privacy import MOST_OF_A_TEXT
from datasets.formats import Row, fingerprint
from datasets.services.blocks import KnownRows, RowIds, StoredRow
from datasets.services.comparing import word_changes
from second_grade import familiar, syllables
from second_grade.words import LONGEST_WORD
from tests.security import hostile

GROWTH = 4
"""The larger input is so many times the smaller one: work in proportion grows by 4, quadratic work by 16."""
MOST_GROWTH = 8.0
NO_MEASURABLE_TIME = 0.01
"""Seconds of CPU. What does the larger input in less is quick; quadratic work on these sizes takes many times as long."""
TRIES = 5

TEXT_SIZE, ROW_COUNT = 4_000, 400


def seconds(work: Callable[[], object]) -> float:
    """CPU time of this thread: other processes on the machine do not count."""
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def grows_in_proportion(work: Callable[[Any], object], make: Callable[[int], Any], size: int) -> bool:
    """Whether `work` on `make(size)` takes about `GROWTH` times as long as on a quarter of it. Best of a few tries each."""
    large = make(size)
    longest = seconds(lambda: work(large))
    if longest < NO_MEASURABLE_TIME:
        return True
    small = make(size // GROWTH)
    shortest = seconds(lambda: work(small))
    for _ in range(TRIES):
        if longest <= MOST_GROWTH * shortest:
            return True
        longest = min(longest, seconds(lambda: work(large)))
        shortest = max(shortest, seconds(lambda: work(small)))
    return longest <= MOST_GROWTH * shortest


def _rows_of_a_file(rows: list[Row]) -> Any:
    lines = "\n".join(json.dumps({"messages": row.messages}) for row in rows)
    return checks.check_file(io.BytesIO(lines.encode()), filename="rows.jsonl")


def _each_text(check: Callable[[str], object]) -> Callable[[list[Row]], object]:
    return lambda rows: [check(message["content"]) for row in rows for message in row.messages]


def _all_answers(check: Callable[[list[str]], object]) -> Callable[[list[Row]], object]:
    return lambda rows: check([text for row in rows for text in row.student_text()])


def _each_row(check: Callable[[Row], object]) -> Callable[[list[Row]], object]:
    return lambda rows: [check(row) for row in rows]


SPECIAL: dict[str, Callable[[list[Row]], object]] = {
    "check_file": _rows_of_a_file,
    "pseudonyms": lambda rows: checks.pseudonyms(rows, checks.find_private(rows, most_of_a_text=None)),
    "leakage": lambda rows: checks.leakage(rows[::2], rows[1::2]),
    "split": lambda rows: checks.split(rows, 0.1, 17),
}
"""Checks that take more than rows."""
READS_NO_TEXT = {"advice", "counted", "guideline", "tokens_of"}
"""They take numbers, findings, or one row with a tokenizer (`tokens` calls it)."""


def _all_checks() -> dict[str, Callable[[list[Row]], object]]:
    """Every function that `datasets.checks` offers, ready for a list of rows. One that fits nowhere fails the test below."""
    found: dict[str, Callable[[list[Row]], object]] = {}
    for name in checks.__all__:
        check = getattr(checks, name)
        if inspect.isclass(check) or not callable(check) or name in READS_NO_TEXT:
            continue
        first = next(iter(inspect.signature(check).parameters))
        if name in SPECIAL:
            found[name] = SPECIAL[name]
        elif first == "rows":
            found[name] = check
        elif first == "row":
            found[name] = _each_row(check)
        elif first == "text":
            found[name] = _each_text(check)
        elif first == "texts":
            found[name] = _all_answers(check)
    return found


ALL_CHECKS = _all_checks()


def test_every_check_is_walked():
    offered = {name for name in checks.__all__ if inspect.isfunction(getattr(checks, name))}
    missing = offered - set(ALL_CHECKS) - READS_NO_TEXT
    assert not missing, f"Say in SPECIAL how to run {missing} on rows, so that hostile text is tried on them."
    assert len(ALL_CHECKS) >= 14


@pytest.mark.parametrize("name", sorted(ALL_CHECKS))
def test_a_check_is_linear_in_hostile_text(name):
    check = ALL_CHECKS[name]
    slow = [kind for kind, make in hostile.long_texts() if not grows_in_proportion(check, make, TEXT_SIZE)]
    assert not slow, f"{name} grows faster than the text, given {slow}"


@pytest.mark.parametrize("name", sorted(ALL_CHECKS))
def test_a_check_is_linear_in_hostile_rows(name):
    check = ALL_CHECKS[name]
    slow = [kind for kind, make in hostile.MANY_ROWS.items() if not grows_in_proportion(check, make, ROW_COUNT)]
    assert not slow, f"{name} grows faster than the rows, given {slow}"


@pytest.mark.parametrize("name", ["find_private", "pseudonyms"])
def test_thousands_of_findings_in_one_text_are_found_and_replaced_in_linear_time(name):
    """What stopped every write of the platform for over a minute."""

    def make(count: int) -> list[Row]:
        return [Row(line=1, messages=[{"role": "user", "content": "a@b.cc 801-555-2368 " * count}])]

    assert grows_in_proportion(ALL_CHECKS[name], make, 3_000)


@pytest.mark.parametrize("name", ["near_duplicates", "leakage"])
def test_thousands_of_rows_that_are_all_somewhat_alike_are_compared_in_linear_time(name):
    assert grows_in_proportion(ALL_CHECKS[name], hostile.MANY_ROWS["nearly alike"], 1_200)


def _patterns(package: ModuleType) -> Iterator[tuple[str, "re.Pattern[str]"]]:
    prefix = f"{package.__name__}."
    for module in pkgutil.walk_packages(package.__path__, prefix):
        held = vars(importlib.import_module(module.name))
        for name, value in held.items():
            for place, pattern in enumerate(_inside(value)):
                yield f"{module.name.removeprefix(prefix)}.{name}[{place}]", pattern


def _inside(value: Any) -> Iterator["re.Pattern[str]"]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        yield from _inside(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _inside(part)


PATTERNS = dict(_patterns(checks))
ANSWER_PATTERNS = dict(_patterns(second_grade))


def test_every_pattern_is_walked():
    assert len(PATTERNS) >= 40
    assert len(ANSWER_PATTERNS) >= 80


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_is_linear_in_what_it_looks_for_repeated(name):
    """Beside the checks as a whole: a rule that stands behind another one today may stand first tomorrow."""
    pattern = PATTERNS[name]

    def look(text: str) -> object:
        return sum(1 for _ in pattern.finditer(text))

    slow = []
    for opener, piece in hostile.texts_against(pattern):

        def make(size: int, piece: str = piece, opener: str = opener) -> str:
            return f"{opener}{piece * (size // len(piece))}\u00b7"

        if not grows_in_proportion(look, make, 10_000):
            slow.append(opener + piece)
    assert not slow, f"{pattern.pattern} takes more than linear time on repeated {slow[:8]}"


@pytest.mark.parametrize("name", sorted(ANSWER_PATTERNS))
def test_no_answer_stops_its_reader(name):
    """Two alternatives for one word under a star take twice as long for each word more: a bot that says "its its its" for
    a while stopped the worker for good. What grows by powers may stay, because of an answer only the beginning is read."""
    pattern = ANSWER_PATTERNS[name]
    for opener, piece in hostile.texts_against(pattern):
        for start in (opener, "so its "):

            def make(size: int, piece: str = piece, start: str = start) -> str:
                return f"{start}{piece * (size // len(piece))}\u00b7"

            assert grows_in_proportion(pattern.search, make, 72), f"{pattern.pattern} on repeated {piece!r}"


def _equal_rows(count: int) -> list[Row]:
    return [hostile.talk("Why?", line=number) for number in range(count)]


def test_ids_for_equal_rows_are_given_in_linear_time():
    def give(rows: list[Row]) -> list[str]:
        ids = RowIds()
        return [ids.give(row, fingerprint(row)) for row in rows]

    assert grows_in_proportion(give, _equal_rows, 4_000)
    assert give(_equal_rows(3))[1:] == [f"{give(_equal_rows(1))[0]}-2", f"{give(_equal_rows(1))[0]}-3"]


def test_equal_rows_find_their_ids_of_the_version_before_in_linear_time():
    def give(rows: list[Row]) -> list[str]:
        stored = [StoredRow.of(row, f"id-{number}") for number, row in enumerate(rows)]
        ids = RowIds(KnownRows.of(stored))
        return [ids.give(row, fingerprint(row)) for row in rows]

    assert grows_in_proportion(give, _equal_rows, 4_000)
    assert give(_equal_rows(3)) == ["id-0", "id-1", "id-2"]


def test_changes_are_shown_in_linear_time():
    def change(words: list[str]) -> object:
        return word_changes(" ".join(f"a {word}" for word in words), " ".join(f"a {word[::-1]}" for word in words))

    assert grows_in_proportion(change, lambda size: [f"x{number}y" for number in range(size)], 800)


def test_findings_of_a_text_are_capped_and_the_others_counted():
    text = "Write to emma@school.org. " * (MOST_OF_A_TEXT + 4_212)
    rows = [hostile.talk("Hello there."), Row(line=2, messages=[{"role": "user", "content": text}])]
    found = checks.find_private(rows)
    assert len(found) == MOST_OF_A_TEXT and [finding.more for finding in found[-2:]] == [0, 4_212]
    assert checks.counted(found) == MOST_OF_A_TEXT + 4_212
    everything = checks.find_private(rows, most_of_a_text=None)
    assert len(everything) == MOST_OF_A_TEXT + 4_212
    assert "emma" not in checks.pseudonyms(rows, everything)[1].messages[0]["content"], "pseudonyms replace all of them"


def test_a_word_made_of_endings_is_checked_like_any_other():
    """It went a call deeper for each ending, and measuring ended with a RecursionError."""
    word = "a" + "'s" * 2_000
    assert checks.language([f"The {word} is big."])["words"] == 4
    assert checks.report([hostile.talk(word)]).quality["rows"] == 1


def test_giant_words_are_not_remembered():
    """50,000 remembered words of a megabyte each would fill the memory of the web process."""
    familiar._is_familiar.cache_clear()
    syllables._syllables.cache_clear()
    giants = [f"{'bcd' * 100}{hostile._letters(number)}" for number in range(50)]
    report = checks.report([hostile.talk(*giants)])
    assert familiar._is_familiar.cache_info().currsize < 10 and syllables._syllables.cache_info().currsize < 10
    assert all(len(word) <= LONGEST_WORD for word, _ in report.quality["language"]["beyond_grade_2"]["top"])


def test_a_text_that_repeats_a_long_word_gives_a_small_report():
    """A report is kept in one field of the database and read with every page."""
    long = "x" * 100_000
    row = hostile.talk(f"{long} Elementary School", long)
    row.labels["emotion"] = long
    assert len(json.dumps(checks.report([row]).quality)) < 20_000


HOSTILE_FILES: dict[str, Callable[[int], bytes]] = {
    "curly quotes": lambda size: ("{“a”: “" + "” " * size).encode(),
    "names and colons": lambda size: ("Ann Bo Cy: a\n" * (size // 4)).encode(),
    "open quotes": lambda size: b"question,answer\n" + b'"a,b\n' * size,
    "dates": lambda size: ("[1/1/2026, 1:01] " * size).encode(),
    "keys": lambda size: ('{"a":' + '"a" : "b' * size).encode(),
}


@pytest.mark.parametrize("name", HOSTILE_FILES)
def test_reading_and_saving_hostile_files_takes_time_in_proportion(name: str) -> None:
    from datasets import formats

    def read(data: bytes) -> None:
        filename = (
            "rows.csv" if name == "open quotes" else "rows.txt" if name in ("names and colons", "dates") else "a.jsonl"
        )
        with contextlib.suppress(formats.UnreadableFile):
            list(formats.read(io.BytesIO(data), filename=filename, fixes=formats.FIXES, on_broken=lambda row: None))

    assert grows_in_proportion(read, HOSTILE_FILES[name], 20_000)
