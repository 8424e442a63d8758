"""What tests read of a page does not depend on where the lines of its template end, and on nothing else."""

import pytest

from tests.drawn import as_drawn


@pytest.mark.parametrize(
    ("page", "drawn"),
    [
        ("<p>\n  one\n  two\n</p>", "<p>one two</p>"),
        ("<p>a <b>b</b>\n c</p>", "<p>a <b>b</b> c</p>"),
        ("<p>a<b>b</b></p>", "<p>a<b>b</b></p>"),
        ('<a\n  class="\n    one\n    two\n  "\n  href="/"\n>x</a>', '<a class="one two" href="/">x</a>'),
        ('<input value="a  b\nc" >', '<input value="a  b\nc">'),
        ("<textarea>\n a\n  b </textarea>", "<textarea>\n a\n  b </textarea>"),
        ("<pre> a\n<b> c </b>\n</pre>  <p>x</p>", "<pre> a\n<b> c </b>\n</pre><p>x</p>"),
        ("a &lt; b\n&lt;script&gt; 3 < 4", "a &lt; b &lt;script&gt; 3 < 4"),
        ("", ""),
    ],
)
def test_a_page_is_read_as_it_is_drawn(page: str, drawn: str) -> None:
    assert as_drawn(page) == drawn
