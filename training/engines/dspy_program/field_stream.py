"""Shows one field of a DSPy chat answer while it is still being written. Pure: text in, text out.

The answer is laid out in sections, each below a line `[[ ## name ## ]]`. What `feed` has shown is at every moment a
beginning of what DSPy's own parser will find in the field, so nothing shown is ever taken back.
"""

import re

_HEADER = re.compile(r"\[\[ ## (\w+) ## \]\]")
_HEADER_BEGIN = "[[ ## "


class FieldStream:
    """Follows one LM answer. `needs` are the fields that must have come before `field` is shown: without them DSPy
    rejects the answer and asks again."""

    def __init__(self, field: str, needs: frozenset[str]) -> None:
        self.shown = ""
        self._field, self._needs = field, needs
        self._text = ""
        self._inside = False
        self._over = False
        self._seen: set[str] = set()

    def feed(self, text: str) -> str:
        """Take the next piece of the answer; the part of the field that is now certain, often empty."""
        if self._over:
            return ""
        self._text += text
        if not self._inside:
            self._skip_to_field()
        if not self._inside:
            return ""
        value = self._certain_value()
        piece = value[len(self.shown) :]
        self.shown = value
        return piece

    def _skip_to_field(self) -> None:
        lines = self._text.splitlines(keepends=True)
        while lines and _complete(lines[0]):
            line = lines.pop(0)
            match = _HEADER.match(line.strip())
            if match and match.group(1) == self._field and self._field not in self._seen:
                if not self._needs <= self._seen:
                    self._over = True
                    return
                rest = line[match.end() :].strip()
                lines[:0] = [f"{rest}\n"] if rest else []
                self._inside = True
                break
            if match:
                self._seen.add(match.group(1))
        self._text = "".join(lines)

    def _certain_value(self) -> str:
        kept: list[str] = []
        for line in self._text.splitlines(keepends=True):
            bare = line.strip()
            if _HEADER.match(bare):
                self._over = _complete(line)
                break
            if not _complete(line) and _may_become_header(bare):
                break
            kept.append(line.rstrip("\r\n") if _complete(line) else line)
        return "\n".join(kept).strip()


def _complete(line: str) -> bool:
    return line.splitlines() != [line]


def _may_become_header(bare: str) -> bool:
    return bare[: len(_HEADER_BEGIN)] == _HEADER_BEGIN[: len(bare)] and ("]]" not in bare)
