"""The layers hold, and each contract can fail: a planted breach makes it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.db.models import JSONField

from courseplatform import archive
from courseplatform.course_archive import tables
from courseplatform.course_archive.documents import DOCUMENTS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("second_grade", "teams", "datasets", "training", "evaluation", "courseplatform")
LONGEST_FILE = 400


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "base_models"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_layers_hold():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("teams/services/money.py", "import training.models"),
        ("datasets/models/__init__.py", "import evaluation.models"),
        ("training/models/run.py", "import training.services.launch"),
        ("datasets/checks/__init__.py", "import django"),
        ("evaluation/agreement.py", "import django.db"),
        ("evaluation/services/chat.py", "import torch"),
        ("training/views/__init__.py", "import lora.train"),
        ("teams/services/people.py", "import teams.views.course"),
        ("second_grade/words.py", "import datasets.checks"),
        ("second_grade/words.py", "import django"),
    ],
)
def test_a_planted_breach_is_found(copy, where, line):
    target = copy / where
    before = target.read_text()
    target.write_text(f"{before}\n{line}\n")
    try:
        assert lint_imports(copy).returncode == 1
    finally:
        target.write_text(before)


def python_files() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]
    assert len(found) > 80, "the walk must not pass by finding nothing"
    return found


def test_no_file_is_longer_than_400_lines():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in python_files()
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_no_module_is_named_after_nothing():
    vague = {"utils.py", "helpers.py", "common.py", "core.py", "misc.py"}
    assert [path for path in python_files() if path.name in vague] == []


def test_nobody_assigns_a_run_status():
    breach = re.compile(r"\brun\.status\s*=[^=]")
    assert [str(path) for path in python_files() if breach.search(path.read_text())] == []


def test_every_server_closes_idle_connections_later_than_its_clients():
    started = [path for path in python_files() if re.search(r"uvicorn\.(run|Config)\(|\"uvicorn\"", path.read_text())]
    serving = [path for path in started if "tests" not in path.parts]
    assert len(serving) == 4
    later = re.compile(r"timeout_keep_alive=75|\"--timeout-keep-alive\",\s+\"75\"")
    assert [str(path) for path in serving if not later.search(path.read_text())] == []


def test_templates_have_no_inline_script_style_or_handler():
    breach = re.compile(
        r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|hx-on|[\"']js:|<style|//(?:cdn|unpkg)", re.IGNORECASE
    )
    templates = list((ROOT / "templates").rglob("*.html"))
    assert len(templates) > 25
    assert {
        str(path.relative_to(ROOT)): found.group() for path in templates if (found := breach.search(path.read_text()))
    } == {}


def test_every_hx_request_has_a_plain_link_or_action_beside_it():
    tag = re.compile(r"<(?:a|form)\b[^>]*\bhx-(?:get|post)=[^>]*>", re.IGNORECASE)
    without = [
        (path.name, found)
        for path in (ROOT / "templates").rglob("*.html")
        for found in tag.findall(path.read_text())
        if "href=" not in found and "action=" not in found
    ]
    assert without == []


def test_every_field_of_a_course_is_decided_upon_for_its_archive() -> None:
    """A new table or field of a course: write it into `courseplatform/course_archive/tables.py`, as one that comes in with an
    archive or as `never`; a table that stays behind as a whole goes into `archive.LEFT_OUT`."""
    assert {archive.label(model) for model in archive.in_order()} == set(tables.BY_LABEL)
    for model in archive.in_order():
        table = tables.BY_LABEL[archive.label(model)]
        columns = {column.attname for column in model._meta.concrete_fields if not column.primary_key}
        decided = [*table.written, *table.never]
        assert len(decided) == len(set(decided)), table.label
        assert columns | set(table.lists) == set(decided) - {"id"}, table.label
        references = {one.attname: archive.label(one.related_model) for one in archive.references(model)}
        people = {name for name, label in references.items() if label == "teams.user"}
        assert set(table.people) == people, table.label
        left = people | set(table.never)
        assert table.refs == {name: label for name, label in references.items() if name not in left}, table.label
        documents = {column.attname for column in model._meta.concrete_fields if isinstance(column, JSONField)}
        assert {(table.label, name) for name in table.documents} <= set(DOCUMENTS)
        assert documents <= {*table.documents, *table.never}, table.label


def test_a_table_of_a_course_archive_comes_after_those_that_it_refers_to() -> None:
    seen: set[str] = set()
    for table in tables.TABLES:
        referred = {*table.refs.values(), *table.lists.values()} - {table.label}
        assert referred <= seen, table.label
        seen.add(table.label)
