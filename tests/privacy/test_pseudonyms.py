"""Stand-ins cover the whole name, are the same everywhere, keep the grammar, and leave nothing to find."""

from datasets import checks
from datasets.formats import Row


def talk(*said):
    return Row(line=1, messages=[{"role": "user", "content": text} for text in said])


def replaced(*rows, **options):
    given = list(rows)
    return checks.pseudonyms(given, checks.find_private(given, most_of_a_text=None), **options)


def text_of(row):
    return " ".join(message["content"] for message in row.messages)


def test_no_part_of_a_name_stays():
    (row,) = replaced(talk("I know Emily Rose Carter. The Carters are here, and Carter is fun."))
    assert "Emily" not in text_of(row) and "Rose" not in text_of(row) and "Carter " not in text_of(row)


def test_a_child_renamed_in_one_row_is_renamed_in_all():
    first, second = replaced(talk("My friend Emily Carter is seven."), talk("Then Emily cried, and EMILY laughed."))
    name = text_of(first).removeprefix("My friend ").split()[0]
    assert text_of(second) == f"Then {name} cried, and {name.upper()} laughed."


def test_a_word_that_is_a_name_as_well_stays_a_word():
    rows = replaced(
        talk("My student Hope Okonkwo is here."),
        talk("Hope you can meet her. I hope so! Then Hope laughed. Hope is seven."),
    )
    name = text_of(rows[0]).removeprefix("My student ").split()[0]
    assert text_of(rows[1]) == f"Hope you can meet her. I hope so! Then {name} laughed. {name} is seven."


def test_replacing_again_changes_nothing():
    once = replaced(
        talk("Emily Carter, 801-555-2368, emma@school.org", "Mrs. Okafor and carter, emily and OLU ADEBAYO ok")
    )
    assert checks.find_private(once) == []
    assert replaced(*once) == once


def test_the_next_version_keeps_the_names_whatever_stands_first():
    kept: dict[str, int] = {}
    (before,) = replaced(talk("Meet Emily Carter."), salt="s", kept=kept)
    size = len(kept)
    after = replaced(talk("Meet Kwame Mensah."), talk("Meet Emily Carter."), salt="s", kept=kept)
    assert text_of(after[1]) == text_of(before) and text_of(after[0]) != text_of(before)
    assert len(kept) > size and "emily" not in str(kept).lower()


def test_the_41st_child_has_a_readable_name_of_its_own():
    letters = "bcdfghklmnprstvz"
    people = [f"Z{a}ani{b}u Okonkw{a}ski" for a in letters for b in letters]
    rows = replaced(*[talk(f"I met {name}.") for name in people])
    names = [text_of(row).removeprefix("I met ").split()[0] for row in rows]
    assert len(set(names)) == len(people)
    assert not any(letter.isdigit() for name in names for letter in name)


def test_what_has_no_stand_in_stays_to_be_found():
    (row,) = replaced(talk("My brother has asthma."))
    assert [found.kind for found in checks.find_private([row])] == ["health"]
