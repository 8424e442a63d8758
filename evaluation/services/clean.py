"""Text from people and models is data: what cannot be stored or shown safely is taken out before it is."""

import re

MAX_ANSWER_CHARACTERS = 8_000
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Without control characters, U+0000 and lone surrogates, which databases refuse; newlines as one character."""
    return _UNSTORABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
