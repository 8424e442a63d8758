"""Which column of a table probably holds what, by its first records: a suggestion that a person confirms."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from datasets.formats.talk import suggested_roles

LOOKED_AT = 60
"""Records by which the columns are judged."""
_MOST_SPEAKERS = 8
_LONGEST_NAME = 40
_SENTENCE_ENDS = ("?", "!", ".", "…", "”", '"')


def looks_like_record(cells: Sequence[Any]) -> bool:
    """Whether a first line is a record already: most of its cells are sentences, which names of columns are not."""
    filled = [str(cell).strip() for cell in cells if str(cell).strip()]
    if len(filled) < 2:
        return False
    sentences = [
        text
        for text in filled
        if len(text) > 40 or (" " in text and text.endswith(_SENTENCE_ENDS))
    ]
    return 2 * len(sentences) > len(filled) or (len(filled) == 2 and bool(sentences))


def numbered(count: int) -> list[str]:
    """Names for the columns of a table that gives them none."""
    return [f"Column {number}" for number in range(1, count + 1)]


def samples(columns: list[str], records: list[dict[str, Any]]) -> dict[str, str]:
    """Column -> the first thing that stands in it."""
    found = {}
    for name in columns[:200]:
        first = next(
            (
                str(record[name]).strip()
                for record in records
                if str(record.get(name) or "").strip()
            ),
            "",
        )
        found[name] = first[:80]
    return found


def suggested_mapping(columns: list[str], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Fields of `ColumnMapping`: either speaker, utterance and speakers, or teacher and student; {} where nothing shows."""
    texts = {
        name: [str(record.get(name) or "").strip() for record in records] for name in columns
    }
    long = sorted(columns, key=lambda name: -_mean_length(texts[name]))
    long = [name for name in long if any(" " in text for text in texts[name])]
    if not long:
        return {}
    speaker = next(
        (name for name in columns if name != long[0] and _names_speakers(texts[name])), None
    )
    if speaker is not None and len(long) < 2 + (speaker in long):
        return _by_turns(texts, speaker, long[0], columns)
    if len(long) < 2:
        return {}
    first, second = sorted(long[:2], key=columns.index)
    asks = max((first, second), key=lambda name: _questions(texts[name]))
    return {"teacher": asks, "student": second if asks == first else first}


def _by_turns(
    texts: dict[str, list[str]], speaker: str, utterance: str, columns: list[str]
) -> dict[str, Any]:
    spoken = Counter(name for name in texts[speaker] if name)
    questions: Counter[str] = Counter()
    for name, text in zip(texts[speaker], texts[utterance], strict=True):
        questions[name] += "?" in text
    rest = [name for name in columns if name not in (speaker, utterance)]
    conversation = next((name for name in rest if _names_conversations(texts[name])), None)
    suggested: dict[str, Any] = {"speaker": speaker, "utterance": utterance}
    if conversation is not None:
        suggested["conversation"] = conversation
    return suggested | {"speakers": suggested_roles(spoken, questions)}


def _mean_length(texts: list[str]) -> float:
    return sum(map(len, texts)) / max(1, len(texts))


def _questions(texts: list[str]) -> int:
    return sum("?" in text for text in texts)


def _names_speakers(texts: list[str]) -> bool:
    """A few short names, each again and again, and not all of one in a run."""
    filled = [text for text in texts if text]
    names = set(filled)
    if not 2 <= len(names) <= _MOST_SPEAKERS or len(filled) < 2 * len(names):
        return False
    changes = sum(before != after for before, after in pairwise(filled))
    short = all(len(name) <= _LONGEST_NAME and not name.isdecimal() for name in names)
    return short and changes >= len(filled) // 3


def _names_conversations(texts: list[str]) -> bool:
    """The same value a few records long, then another, and never the first again."""
    runs = [
        text
        for place, text in enumerate(texts)
        if text and (place == 0 or texts[place - 1] != text)
    ]
    return 2 <= len(runs) < len(texts) and len(set(runs)) == len(runs)
