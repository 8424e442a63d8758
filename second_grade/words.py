"""Words and sentences of a text as a child writes it: lower case, run-on, with its own spelling."""

import re

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,:/]\d+)*")
LONGEST_WORD = 40
"""What has more letters is no word that anybody knows; nothing is remembered of it, so that no text fills the memory."""

# A run of stops is looked at from its beginning only: from each of its characters would be quadratic.
_SENTENCE_END = re.compile(
    r"(?<![.!?…])([.!?…]+)[\"'”’)\]]*(?:\s+|$)|(?<![!?])[!?]+(?=[A-Z])|\n\s*\n"
)
_TITLES = frozenset(["mr", "mrs", "ms", "dr", "st", "vs", "jr", "sr", "etc", "no"])


def words(text: str) -> list[str]:
    """The words and numbers of a text as written, contractions in one piece."""
    return WORD.findall(text)


def plain(word: str) -> str:
    """The word in lower case with a straight apostrophe."""
    return word.lower().replace("’", "'")


def sentences(text: str) -> list[str]:
    """The sentences that have a word.

    A full stop before a small letter ends one ("the sun goes to bed. i like it."), because children of this age write so.
    An ellipsis before a small letter ("um... it snows") and the stop after a title ("Mr. Lee") do not.
    """
    pieces, begin = [], 0
    for found in _SENTENCE_END.finditer(text):
        if _goes_on(text, begin, found):
            continue
        pieces.append(text[begin : found.end()].strip())
        begin = found.end()
    pieces.append(text[begin:].strip())
    return [piece for piece in pieces if WORD.search(piece)]


def _goes_on(text: str, begin: int, found: re.Match[str]) -> bool:
    stops = found.group(1)
    if stops is None or found.end() == len(text):
        return False
    if stops == ".":
        before = re.search(r"[A-Za-z]+$", text[max(begin, found.start() - 5) : found.start()])
        return (
            before is not None
            and before.group().lower() in _TITLES
            and text[found.end()].isupper()
        )
    is_ellipsis = "…" in stops or ".." in stops
    return is_ellipsis and text[found.end()].islower()
