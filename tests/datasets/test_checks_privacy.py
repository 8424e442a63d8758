"""Privacy: what identifies a real child is found, stories are left alone, and pseudonyms are the same everywhere."""

import pytest

from datasets import checks
from datasets.checks.privacy import find_in
from datasets.checks.privacy.stand_ins import HAS_STAND_INS, stand_in
from datasets.formats import Row

FOUND = {
    "name": [
        ("My student Emma Johnson likes math.", "Emma Johnson"),
        ("We saw Liam O. Garcia at lunch.", "Liam O. Garcia"),
        ("my pupil named Sofia cried today", "Sofia"),
        ("My name is Aiden Smith and I am 7.", "Aiden Smith"),
        ("Then Mrs. Rodriguez helped us.", "Mrs. Rodriguez"),
    ],
    "phone": [
        ("Call me at (801) 555-2368 please", "(801) 555-2368"),
        ("801-555-2368", "801-555-2368"),
        ("+44 20 7946 0958 is the office", "+44 20 7946 0958"),
        ("My mom's cell is 5552368", "5552368"),
    ],
    "email": [("Write to emma.j+school@uvu.example.edu today", "emma.j+school@uvu.example.edu")],
    "address": [
        ("I live at 123 North Maple Street, Apt 4.", "123 North Maple Street, Apt 4"),
        ("Our house is 9 Oak Ave, Provo, UT 84601", "9 Oak Ave, Provo, UT 84601"),
        ("Send it to P.O. Box 77", "P.O. Box 77"),
    ],
    "school": [
        ("I go to Maple Ridge Elementary School.", "Maple Ridge Elementary School"),
        ("She is at P.S. 118 now", "P.S. 118"),
    ],
    "id_number": [
        ("My SSN is 123-45-6789.", "123-45-6789"),
        ("student ID: A1234567", "A1234567"),
        ("lunch number is 40321", "40321"),
    ],
    "birthdate": [("My birthday is March 3, 2017!", "March 3, 2017"), ("born on 03/14/2017", "03/14/2017")],
}
CASES = [(kind, text, part) for kind, cases in FOUND.items() for text, part in cases]


@pytest.mark.parametrize(("kind", "text", "part"), CASES)
def test_each_kind_of_personal_data_is_found_where_it_stands(kind, text, part):
    found = [(k, text[start:end]) for k, start, end, _, _ in find_in(text)]
    assert found == [(kind, part)]


@pytest.mark.parametrize(
    "text",
    [
        "Tom has 3 apples and Sally gives him 2 more.",
        "Emma said the sky is blue.",
        "What is 555 - 2368? I think 801 - 555 is 246.",
        "123 plus 456 plus 7890 is a big number",
        "George Washington was the first president. Rosa Parks was brave.",
        "Martin Luther King Day is in January.",
        "I read about Harry Potter on Main Street.",
        "In 2017 we had 03 birds and 14 fish.",
        "My teacher showed us a globe. The Red Sea is not red.",
        "The ratio is 123:456 and 1,234,567 people live there.",
        "My elementary school is fun. I am in second grade.",
        "We have 12 big trees on our way home and 4 Green Apples.",
        "Count with me: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "8 + 7 = 15 @ home",
        "In Second Grade we sit in The Middle of the room. My Elementary school is fun. The Academy won.",
        "My favorite month is May and my birthday is soon.",
    ],
)
def test_stories_sums_and_famous_people_are_left_alone(text):
    assert find_in(text) == []


def test_a_real_childs_name_is_graver_than_a_teachers():
    severities = [severity for _, _, _, severity, _ in find_in("My student Emma Johnson asked Mrs. Rodriguez.")]
    assert severities == ["high", "low"]


def rows():
    return [
        Row(
            line=4,
            messages=[
                {"role": "user", "content": "Is my student Emma Johnson here? Call 801-555-2368."},
                {"role": "assistant", "content": "Emma is sick. Her mom is at 801 555 2368. Emmanuel is here."},
            ],
            labels={"source": "Maple Ridge Elementary School"},
            extra={"metadata": {"recorded by": "emma@school.example.org"}},
        ),
        Row(
            line=9,
            messages=[
                {"role": "user", "content": "Where is Emma Johnson?"},
                {"role": "assistant", "content": "I don't know."},
            ],
        ),
        Row(
            line=12,
            messages=[{"role": "user", "content": "Emma has 3 apples?"}, {"role": "assistant", "content": "3!"}],
        ),
    ]


def test_findings_name_line_field_place_and_excerpt():
    found = checks.find_private(rows())
    assert [(f.line, f.field, f.kind, f.text) for f in found] == [
        (4, "messages[0].content", "name", "Emma Johnson"),
        (4, "messages[0].content", "phone", "801-555-2368"),
        (4, "messages[1].content", "phone", "801 555 2368"),
        (4, "labels.source", "school", "Maple Ridge Elementary School"),
        (4, "extra.metadata.recorded by", "email", "emma@school.example.org"),
        (9, "messages[0].content", "name", "Emma Johnson"),
    ]
    assert all(f.text in f.excerpt for f in found)


def test_pseudonyms_are_the_same_everywhere_and_leave_nothing_to_find():
    before = rows()
    changed = checks.pseudonyms(before, checks.find_private(before))
    assert before == rows(), "the rows given are not touched"
    together = " ".join(text for row in changed[:2] for text in [m["content"] for m in row.messages])
    assert "Johnson" not in together and "Emma " not in together and "Emmanuel" in together
    first, last = changed[1].prompt().removeprefix("Where is ").removesuffix("?").split()
    assert f"my student {first} {last} here" in changed[0].prompt()
    assert changed[0].student_text()[0].startswith(f"{first} is sick")
    assert "555-0100" in changed[0].prompt() and "555-0100" in changed[0].student_text()[0]
    assert changed[0].labels["source"] == "Example School"
    assert changed[0].extra["metadata"]["recorded by"] == "person1@school.example"
    assert changed[2].prompt() == f"{first} has 3 apples?", "the child keeps its new name in every row"
    assert checks.find_private(changed) == [], "a stand-in is not found again: else no dataset could ever be cleared"


def test_another_dataset_gets_other_names():
    before = rows()[1:2]
    found = checks.find_private(before)
    names = {checks.pseudonyms(before, found, salt=salt)[0].prompt() for salt in ("a", "b", "c", "d")}
    assert len(names) > 1


def test_every_kind_of_stand_in_is_known_as_one():
    kinds = sorted(HAS_STAND_INS - {"name"})
    texts = [f"So: {stand_in(kind, count)}, she said." for kind in kinds for count in (0, 1, 41, 250)]
    talk = [Row(line=1, messages=[{"role": "user", "content": "\n".join(texts)}])]
    assert checks.find_private(talk) == []
