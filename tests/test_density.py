"""The code is as light to read as tools/density.py asks, and the counting can fail."""

from tools import density


def test_no_limit_of_density_is_crossed() -> None:
    total = density.Count()
    for found in density.by_package().values():
        total.add(found)
    assert total.files > 500
    assert density.broken(total) == []


def test_a_line_counts_where_code_begins_and_a_token_where_it_is_no_comment() -> None:
    found = density.count("a = 1  # why\n\n\n# more\nb = (\n    2,\n)\n", "planted.py")
    assert (found.tokens, found.lines) == (9, 4)
    assert round(found.density, 2) == 2.25
    longest = density.count("def f():\n    return 1\n", "planted.py").longest_function
    assert longest == (2, "planted.py:1 f")


def test_each_limit_can_be_crossed() -> None:
    dense = density.Count(tokens=80, lines=10, complexity=(13, "x.py:1 f"), longest_file=(401, "x.py"))
    assert [said.split(";")[0] for said in density.broken(dense)] == [
        "8.00 tokens a line",
        "x.py:1 f has complexity 13",
        "x.py has 401 lines",
    ]
