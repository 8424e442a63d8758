"""Agreement figures against published values (the fixtures of the design) and against their own definitions."""

from fractions import Fraction

import pytest

from evaluation.agreement import Scale, alpha, bootstrap, icc, offsets, quadratic_kappa, shares

RATERS = [
    [3, 4, 2, 1, 4, 3, 2, None],
    [3, 4, 3, 1, 4, 3, 2, 2],
    [2, 4, 3, 2, None, 3, 1, 2],
    [None, 4, 2, 1, 4, 2, 2, 2],
]
UNITS = [list(unit) for unit in zip(*RATERS, strict=True)]
A = [4, 3, 2, 4, 3, 2, 4, 3, 4, 2]
B = [level - 1 for level in A]
PAIRS = [list(pair) for pair in zip(A, B, strict=True)]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(Scale.ORDINAL, 0.8013392443), (Scale.INTERVAL, 0.8226444972), (Scale.NOMINAL, 0.5071507151)],
)
def test_alpha_of_four_raters_with_holes_matches_the_published_digits(scale, expected):
    assert alpha(UNITS, scale) == pytest.approx(expected, abs=5e-11 * 2)


def test_a_constant_offset_is_perfect_consistency_but_not_perfect_agreement():
    found = icc(PAIRS)
    assert found is not None
    assert found.absolute_single == pytest.approx(23 / 38, abs=1e-9)  # 0.605263
    assert found.absolute_mean == pytest.approx(46 / 61, abs=1e-9)  # 0.754098
    assert found.consistency_single == pytest.approx(1.0, abs=1e-9)
    assert round(found.absolute_single, 6) == 0.605263
    assert round(found.absolute_mean, 6) == 0.754098


def test_weighted_kappa_and_alpha_of_a_constant_offset_match_the_published_digits():
    assert quadratic_kappa(A, B, [1, 2, 3, 4]) == pytest.approx(0.5798319, abs=5e-8)
    assert alpha(PAIRS) == pytest.approx(0.5215102, abs=5e-8)
    assert offsets(PAIRS) == [0.5, -0.5]


def ordinal_alpha_by_definition(units):
    """Krippendorff's formula written out pair by pair, without a coincidence matrix: an oracle for the real one."""
    pairable = [[value for value in unit if value is not None] for unit in units]
    pairable = [unit for unit in pairable if len(unit) > 1]
    every = [value for unit in pairable for value in unit]
    times = {value: every.count(value) for value in sorted(set(every))}

    def distance(a, b):
        low, high = sorted((a, b))
        between = sum(n for value, n in times.items() if low <= value <= high)
        return (between - Fraction(times[low] + times[high], 2)) ** 2 if low != high else Fraction(0)

    seen = sum(
        Fraction(1, len(unit) - 1) * distance(a, b)
        for unit in pairable
        for i, a in enumerate(unit)
        for j, b in enumerate(unit)
        if i != j
    )
    expected = sum(distance(a, b) for i, a in enumerate(every) for j, b in enumerate(every) if i != j)
    return 1 - (len(every) - 1) * seen / expected


@pytest.mark.parametrize("units", [UNITS, PAIRS], ids=["four raters with holes", "a constant offset"])
def test_alpha_is_exact_to_nine_digits_against_its_definition_in_fractions(units):
    assert alpha(units) == pytest.approx(float(ordinal_alpha_by_definition(units)), abs=1e-9)


def test_kappa_is_exact_to_nine_digits():
    assert quadratic_kappa(A, B, [1, 2, 3, 4]) == pytest.approx(69 / 119, abs=1e-9)  # 0.5798319…


def test_ratings_that_never_vary_are_not_defined_rather_than_perfect():
    same = [[3, 3]] * 6
    assert alpha(same) is None
    assert icc(same) is None
    assert quadratic_kappa([3] * 6, [3] * 6, [1, 2, 3, 4]) is None
    assert bootstrap(same, alpha) is None


def test_without_a_unit_rated_twice_nothing_is_defined():
    lonely = [[3, None], [None, 2], [1, None]]
    assert alpha(lonely) is None
    assert icc(lonely) is None
    assert shares(lonely) is None
    assert offsets(lonely) == [None, None]


def test_perfect_agreement_that_varies_is_one():
    perfect = [[1, 1], [2, 2], [4, 4]]
    assert alpha(perfect) == 1
    found = icc(perfect)
    assert found is not None and found.absolute_single == pytest.approx(1)
    same = shares(perfect)
    assert same is not None and same.exact == 1


def test_exact_and_adjacent_shares_count_every_pair_of_a_unit():
    found = shares([[1, 2, 4], [3, 3, None]])
    assert found is not None
    assert (found.pairs, found.exact, found.adjacent) == (4, 1 / 4, 2 / 4)


def test_the_bootstrap_interval_is_repeatable_and_holds_the_figure():
    first, second = bootstrap(UNITS, alpha), bootstrap(UNITS, alpha)
    assert first == second and first is not None
    figure = alpha(UNITS)
    assert figure is not None and first.low < figure < first.high
