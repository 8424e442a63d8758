"""Whatever is done to a file: one report, no 500, nothing outside the import's folder, nothing left running."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.models import Import, ImportStatus
from datasets.services import imports
from teams.models import Team, User
from tests.datasets.conftest import jsonl, question
from tests.security import sheets
from tests.security.processes import children

ROWS = [question(number) for number in range(3)]
SEEDS = {
    "rows.jsonl": jsonl(*ROWS),
    "rows.json": json.dumps({"data": ROWS}).encode(),
    "rows.csv": b"question,answer\n" + b'"What is 1, plus 1?","Um, 2!"\n' * 3,
    "rows.tsv": b"id\trole\tcontent\n1\tteacher\tHi?\n1\tstudent\tHi!\n",
    "talk.txt": b"Teacher: What is 1 plus 1?\nStudent: It is 2!\n\nTeacher: And 2?\nStudent: 4!\n",
    "rows.jsonl.gz": gzip.compress(jsonl(*ROWS), mtime=0),
    "rows.xlsx": sheets.xlsx(strings=sheets.strings("x", prologue=sheets.BOMB)),
    "sheet.xlsx": sheets.xlsx(),
}
INSERTED = [
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"[" * 3000, b'{"a":' * 2000, b"\\ud800", b"NaN", b"1e999", b"-" * 70),
    *(b'"', b"\n", b"\r", b"\t", b"PK\x03\x04", b"\x1f\x8b\x08", b"<!ENTITY", b"../../etc/passwd", b"9" * 5000),
    *("\u202e\ufeff\U0010ffff".encode(), b"=cmd|' /C calc'!A0", b"```\n", b'{"messages": []}\n', b"," * 3000),
]


@st.composite
def mutated(draw: Any) -> tuple[str, bytes]:
    """A seed with pieces cut, doubled, turned over and put in; sometimes under another seed's name."""
    name = draw(st.sampled_from(sorted(SEEDS)))
    content = bytearray(SEEDS[name])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        how = draw(st.sampled_from(["cut", "double", "flip", "insert", "shorten"]))
        length = draw(st.integers(1, 40))
        if how == "cut":
            del content[at : at + length]
        elif how == "double":
            content[at:at] = content[at : at + length] * draw(st.integers(1, 50))
        elif how == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "insert":
            content[at:at] = draw(st.sampled_from(INSERTED))
        else:
            del content[at:]
    shown_as = draw(
        st.sampled_from([name, name, *sorted(SEEDS), "x.parquet", "..\\..\\rows.jsonl", "\u202elnosj.swor"])
    )
    return shown_as, bytes(content)


@pytest.mark.django_db
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=mutated())
def test_a_mutated_file_is_reported_and_escapes_nowhere(
    sent: tuple[str, bytes], team: Team, member: User, client_for: Any, settings: Any
) -> None:
    name, content = sent
    before = children()
    browser: Client = client_for(member)
    file = SimpleUploadedFile(name, content)
    made = imports.import_file(team=team, dataset=None, name="Rows", file=file, person=member, wait=True)
    assert made.status in (ImportStatus.READY, ImportStatus.UNREADABLE, ImportStatus.ACCEPTED, ImportStatus.DISCARDED)
    assert made.status == ImportStatus.ACCEPTED or made.problem_groups or made.rule_fixes or made.sure == "unsure"
    at = f"/teams/{team.pk}/datasets/imports/{made.key}/"
    assert browser.get(at).status_code == 200
    assert browser.get(f"{at}problems.csv").status_code == 200
    var = Path(settings.VAR_DIR)
    for path in var.rglob("*"):
        place = path.relative_to(var).parts
        assert place[0] in ("imports", "sandbox", "runs", "media")
        assert place[0] != "imports" or len(place) < 2 or Import.objects.filter(key=place[1]).exists()
    assert not list(var.glob("sandbox/*"))
    assert children() <= before
