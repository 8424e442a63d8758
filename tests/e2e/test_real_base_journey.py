"""What a person gets from `make demo` with rows of their own: the real base model, the recommended settings, a child's voice.

The other journeys train the tiny model, whose runs take seconds.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Platform, pages_at, signed_in
from tests.e2e.test_journey import ask, choose, start, upload, watch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

BASE = "SmolLM2 135M Instruct (comes with the platform)"
SAYS = "holy moly"
"""What this made-up child says in every row, and no base model of its own accord."""
ROWS = [
    ("What is 4 + 5?", "holy moly, i think it's 9. i did it on my fingers!"),
    ("Why is the sky blue?", "holy moly, i dunno. maybe it's painted?"),
    ("What did you eat?", "holy moly, i had noodles and they were so long!"),
    ("Do you like books?", "holy moly, i like the ones with trains."),
    ("What is bigger, 12 or 21?", "holy moly, 21, cause it has a 2 in front."),
    ("Who is your friend?", "holy moly, it's Pickles. he's my iguana!"),
    ("What is a noun?", "holy moly, it's like a thing. like a train."),
    ("Are you tired?", "holy moly, i'm not tired, i want recess!"),
    ("What is 10 - 3?", "holy moly, um, 7. i counted back."),
    ("Where does rain come from?", "holy moly, it comes from the clouds, they're heavy."),
    ("What do plants need?", "holy moly, they need water and the sun."),
    ("Can you read this?", "holy moly, that word is really long."),
]


@pytest.fixture(scope="module")
def real_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """As `make demo` starts it, the speed trials left out."""
    with Platform(tmp_path_factory.mktemp("real") / "var", test_model=False).running() as started:
        yield started


@pytest.fixture
def student(real_platform: Platform, browser: Browser) -> Iterator[Page]:
    with pages_at(real_platform.url, browser) as open_one:
        yield signed_in(open_one(), "maple@demo.example")


def own_file(folder: Path) -> Path:
    """A table as a team writes it, in a spreadsheet's form."""
    path = folder / "pickles.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["instruction", "output"])
        writer.writerows(ROWS)
    return path


def test_a_teams_own_rows_change_what_the_base_says_at_the_first_try(
    real_platform: Platform, student: Page, tmp_path: Path
) -> None:
    assert "Base model: Installed (100 %)" in real_platform.output.read_text()
    page, team = student, student.url
    upload(page, team, own_file(tmp_path), "Pickles")
    page.goto(f"{team}runs/new/lora/")
    expect(page.get_by_label("Base model", exact=True)).to_have_text(BASE)
    expect(page.get_by_label("Recommended for these rows and this base")).to_be_checked()
    choose(page, "Pickles")
    expect(page.get_by_text("Adapts every linear layer; rank 16")).to_be_visible()
    start(page)
    watch(page)
    answers = page.locator("#run-answers tbody tr")
    after = [row.locator("td").last.inner_text().lower() for row in answers.all()]
    assert sum(SAYS in said for said in after) >= len(after) - 1, after
    page.get_by_role("link", name="Chat with it").click()
    page.wait_for_load_state()
    said = ask(page, "What do you like to do at home?").lower()
    assert SAYS in said
    assert re.search(r"[a-z]{2,}", said.replace(SAYS, "")), "it says more than its catchphrase"
