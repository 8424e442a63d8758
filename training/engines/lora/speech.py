"""From tokens to text as they come: never half a character, never past a stop sequence."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

UNFINISHED = (
    "\ufffd"  # what a tokenizer shows for the first bytes of a character that is still coming
)


class Speech:
    """The text of one answer as it grows."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[str]) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        self._ids: list[int] = []
        self._told = 0
        self.stopped = False

    def hear(self, token: int) -> str:
        """The text that is now certain and was not before; sets `stopped` when a stop sequence has come."""
        self._ids.append(token)
        text = self._text()
        ends = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        if ends:
            self.stopped = True
            return self._tell(text, min(ends))
        return self._tell(text, len(text) - self._uncertain(text))

    def rest(self) -> str:
        """What was held back when the answer ended by itself."""
        text = self._text()
        return self._tell(text, len(text))

    def _text(self) -> str:
        """Leading space belongs to some templates' answers, not to what is said."""
        return str(self._tokenizer.decode(self._ids, skip_special_tokens=True)).lstrip()

    def _tell(self, text: str, end: int) -> str:
        new = text[self._told : end]
        self._told = max(self._told, end)
        return new

    def _uncertain(self, text: str) -> int:
        """How many characters at the end may still change or turn out to begin a stop sequence."""
        unfinished = len(text) - len(text.rstrip(UNFINISHED))
        begun = [
            length
            for stop in self._stops
            for length in range(1, len(stop))
            if text.endswith(stop[:length])
        ]
        return max([unfinished, *begun])
