"""The layers hold, and each contract can fail: a planted breach makes it."""

import ast
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
from teams.methods import known

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("second_grade", "teams", "datasets", "training", "evaluation", "courseplatform")
LONGEST_FILE = 400
WIDEST = 120


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


def too_wide(folder: Path) -> list[str]:
    """The lines of templates, style sheets and scripts that are wider than 120 characters, as `file:line`."""
    pages = [*(folder / "templates").rglob("*.html"), *(folder / "courseplatform" / "static").glob("*.[cj]s*")]
    assert pages
    return [
        f"{page.relative_to(folder)}:{number}"
        for page in pages
        for number, line in enumerate(page.read_text().splitlines(), start=1)
        if len(line) > WIDEST
    ]


def test_templates_styles_and_scripts_keep_within_120_characters(tmp_path: Path) -> None:
    assert too_wide(ROOT) == [], "no formatter can break these: shorten them by hand"
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "wide.html").write_text(f"<p></p>\n<p>{'x' * 120}</p>\n")
    assert too_wide(tmp_path) == ["templates/wide.html:2"]


@pytest.mark.parametrize(
    ("tool", "folder", "shapeless"),
    [
        ("djangofmt", "templates", "<p>\n<em>x</em></p>"),
        ("oxfmt", "courseplatform/static", "p{margin:0}"),
    ],
)
def test_templates_styles_and_scripts_have_their_form(tool: str, folder: str, shapeless: str, tmp_path: Path) -> None:
    command: list[str | Path] = [Path(sys.executable).parent / tool, "--check"]
    done = subprocess.run([*command, folder], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"Run `make format`. {done.stdout}{done.stderr}"
    planted = tmp_path / ("x.html" if tool == "djangofmt" else "x.css")
    planted.write_text(shapeless)
    assert subprocess.run([*command, planted], cwd=ROOT, capture_output=True, check=False).returncode == 1


def test_nobody_assigns_a_run_status():
    breach = re.compile(r"\brun\.status\s*=[^=]")
    assert [str(path) for path in python_files() if breach.search(path.read_text())] == []


def test_every_server_closes_idle_connections_later_than_its_clients():
    started = [path for path in python_files() if re.search(r"uvicorn\.(run|Config)\(|\"uvicorn\"", path.read_text())]
    serving = [path for path in started if "tests" not in path.parts]
    assert len(serving) == 3
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


MONEY_MOVES = {"settle", "release", "carve", "correct"}
FOR_PEOPLE = "evaluation.services.reasons"
TOLD = re.compile(r"message|reason|sentence|note$")


def moves_money(tree: ast.Module) -> bool:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    by_module = any(isinstance(one, ast.Attribute) and ast.unparse(one.value) == "money" for one in calls)
    settles = any(isinstance(one, ast.Name) and one.id == "settle" for one in calls)
    return settles or (by_module and any(getattr(one, "attr", "") in MONEY_MOVES for one in calls))


def texts_read(tree: ast.Module) -> list[str]:
    """What a module takes from the texts for people, or compares with one."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == FOR_PEOPLE:
            found.append(f"imports {FOR_PEOPLE}")
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            names = [getattr(side, "attr", getattr(side, "id", "")) for side in sides]
            found += [f"compares {name}" for name in names if TOLD.search(name)]
    return found


def test_no_billing_decision_reads_a_text_for_people() -> None:
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in python_files()}
    calls = "training/services/calls/"
    billing = {name: tree for name, tree in trees.items() if moves_money(tree) or name.startswith(calls)}
    assert len(billing) > 12, "the search finds what is there"
    assert {name: read for name, tree in billing.items() if (read := texts_read(tree))} == {}


@pytest.mark.parametrize(
    "planted",
    [
        "from evaluation.services.reasons import BROKE_OFF\nmoney.settle(key=key, charge=charge)",
        "if message in UNSURE:\n    money.settle(key=key, charge=charge)",
        "if turn.error_message == SLOW:\n    settle(key=key)",
    ],
)
def test_a_planted_text_in_a_billing_decision_is_found(planted: str) -> None:
    tree = ast.parse(planted)
    assert moves_money(tree) and texts_read(tree)


def holds_for_nothing(tree: ast.Module) -> int:
    """How many holds do not say by a reference what they are for."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "money.hold"]
    return sum("paid_for" not in [word.arg for word in call.keywords] for call in calls)


def test_every_hold_says_by_a_reference_what_it_is_for() -> None:
    sources = {path: path.read_text() for path in python_files()}
    holding = {path: ast.parse(source) for path, source in sources.items() if "money.hold(" in source}
    assert len(holding) > 4, "the search finds what is there"
    assert [str(path) for path, tree in holding.items() if holds_for_nothing(tree)] == []
    assert holds_for_nothing(ast.parse("money.hold(team=team, key=run.hold_key, amount=5)")) == 1


METHODS = {"lora", "dspy", "openai"}
METHODS_HOME = ("training/methods/", "training/engines/")


def method_comparisons(tree: ast.Module) -> int:
    """How often code asks which of the methods it has at hand: by a comparison, a table or a match."""
    return sum(_names_a_method(node) for node in ast.walk(tree))


def _names_a_method(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        members = [each for side in sides for each in getattr(side, "elts", [side])]
        asked = any(ast.unparse(side).endswith("method") for side in sides)
        return any(_is_member(one) or (asked and _is_text(one)) for one in members)
    if isinstance(node, ast.Dict):
        return any(key is not None and _is_member(key) for key in node.keys)
    return isinstance(node, ast.MatchValue) and (_is_member(node.value) or _is_text(node.value))


def _is_member(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Method" and node.attr.lower() in METHODS


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in METHODS


def test_no_code_outside_the_methods_asks_which_method_a_run_has() -> None:
    found = {}
    for path in python_files():
        name = str(path.relative_to(ROOT))
        if not name.startswith(METHODS_HOME) and (times := method_comparisons(ast.parse(path.read_text()))):
            found[name] = times
    assert found == {}, "ask the method's own object instead (training/methods)"


COMPARED_IN_A_PAGE = re.compile(r"""[=!]= *["'](lora|dspy|openai)["']""")


def test_no_page_asks_which_method_a_run_has() -> None:
    pages = list((ROOT / "templates").rglob("*.html"))
    assert len(pages) > 150, "the search finds what is there"
    assert [str(page) for page in pages if COMPARED_IN_A_PAGE.search(page.read_text())] == []
    assert COMPARED_IN_A_PAGE.search('{% if run.method == "dspy" %}'), "a planted question is found"


def test_the_guides_numbers_of_rows_stand_in_the_methods_alone() -> None:
    """The dataset's page, the advice, the form, its refusals and the guide take them from there."""
    spans = [method.rows.span for method in known()] + [method.rows.words for method in known()]
    assert {"10–50", "50–100+", "100+", "10 to 50", "100 and more"} <= set(spans)
    written = {one.replace("–", dash) for one in spans for dash in "–-"}
    code = [path for path in python_files() if not str(path.relative_to(ROOT)).startswith("tests/")]
    shown = [path for folder in ("templates", "docs") for path in (ROOT / folder).rglob("*.*")]
    papers = [*ROOT.glob("*.md"), *(path for path in shown if path.suffix in (".html", ".md"))]
    repeated = {
        str(path.relative_to(ROOT)): sorted(one for one in written if re.search(rf"(?<!\d){re.escape(one)}", text))
        for path in (*code, *papers)
        if any(one in (text := path.read_text()) for one in written)
    }
    assert {name: found for name, found in repeated.items() if found} == {}


@pytest.mark.parametrize(
    "planted",
    [
        "if run.method == Method.LORA:\n    pass",
        "x = run.method in (Method.DSPY, Method.OPENAI)",
        "x = {Method.LORA: 1}[run.method]",
        "if method != 'lora':\n    pass",
        "match run.method:\n    case Method.LORA:\n        pass",
    ],
)
def test_a_planted_question_for_the_method_is_found(planted: str) -> None:
    assert method_comparisons(ast.parse(planted)) == 1


def test_make_bench_can_measure_each_of_its_modules() -> None:
    """One without `measure` would break the table after an hour."""
    modules = sorted((ROOT / "tests" / "benchmarks").glob("bench_*.py"))
    assert len(modules) > 8
    without = [
        path.name
        for path in modules
        if not any(
            isinstance(part, ast.FunctionDef) and part.name == "measure" for part in ast.parse(path.read_text()).body
        )
    ]
    assert without == []
