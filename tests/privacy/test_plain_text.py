"""One spelling for what looks the same, and the place in the original that it came from."""

import pytest

from datasets.checks.privacy.plain_text import plain_text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("801\u2011555\u20112368", "801-555-2368"),
        ("801\u00a0555\u00a02368", "801 555 2368"),
        ("Em\u200bily John\u00adson", "Emily Johnson"),
        ("Еmily Jоhnson", "Emily Johnson"),
        ("Ｅｍｉｌｙ", "Emily"),
        ("٠٧٧٠٠ ٩٠٠١٢٣", "07700 900123"),
        ("O’Brien", "O'Brien"),
        ("Jose\u0301", "José"),
        ("Мой друг", "Мой друг"),
    ],
)
def test_a_text_is_read_in_one_spelling(written, read):
    assert plain_text(written).text == read


def test_places_lead_back_to_the_original():
    written = "x Em\u200bily\u00a0Jоhnson!"
    read = plain_text(written)
    at = read.text.index("Emily")
    start, end = read.place(at, at + len("Emily Johnson"))
    assert written[start:end] == "Em\u200bily\u00a0Jоhnson"


def test_thousands_of_marks_on_one_letter_are_dropped():
    assert plain_text("a" + "\u0301" * 100_000 + "b").text == "áb"
