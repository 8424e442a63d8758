"""The one field shown while it is written: never more than DSPy will find there, and nothing taken back."""

import random
from itertools import pairwise

import pytest
from dspy_program.field_stream import FieldStream
from hypothesis import given
from hypothesis import strategies as st

NEEDS = frozenset({"reasoning"})
FRAGMENTS = [
    "[[ ## reasoning ## ]]", "[[ ## student_response ## ]]", "[[ ## completed ## ]]", "[[ ## other ## ]]", "\n", "\n\n", "\r\n",
    " ", "[[", "[[ #", "] [", "I think ", "it is 5.", "[1, 2]", "  [[ ## no", "]]", "é", "\u2028", "[",
]  # fmt: skip


def parsed(text: str) -> dict[str, str] | None:
    """What DSPy's own parser finds; None where it rejects the answer."""
    import dspy
    from dspy.utils.exceptions import AdapterParseError

    signature = dspy.Signature("history -> reasoning, student_response")
    try:
        found: dict[str, str] = dspy.ChatAdapter().parse(signature, text)
    except AdapterParseError:
        return None
    return found


def shown(text: str, cuts: list[int]) -> list[str]:
    stream = FieldStream("student_response", NEEDS)
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    return [stream.feed(text[start:end]) for start, end in pairwise(edges)]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=24), st.lists(st.integers(0, 400), max_size=20))
def test_what_is_shown_is_a_beginning_of_what_dspy_finds(fragments: list[str], cuts: list[int]) -> None:
    text = "".join(fragments)
    pieces = "".join(shown(text, cuts))
    found = parsed(text)
    if found is None:
        assert pieces == ""
    else:
        assert found["student_response"].startswith(pieces)


@pytest.mark.parametrize("seed", range(5))
def test_a_whole_answer_is_shown_however_it_is_cut(seed: int) -> None:
    answer = "I think [[ it ]] is 5.\n\nOr 6?  My mom\nknows [[ ## that"
    text = f"[[ ## reasoning ## ]]\nHmm.\n\n[[ ## student_response ## ]]\n{answer}\n\n[[ ## completed ## ]]\n"
    rng = random.Random(seed)
    pieces = shown(text, [rng.randrange(len(text)) for _ in range(40)])
    assert "".join(pieces) == answer
    assert sum(map(bool, pieces)) > 5


def test_the_reasoning_is_never_shown() -> None:
    assert shown("[[ ## reasoning ## ]]\nsecret\n", [3, 9, 25]) == [""] * 4
    assert "".join(shown("[[ ## student_response ## ]]\nearly\n[[ ## reasoning ## ]]\nx\n", [5])) == ""
