"""What the documents say exists: linked files, commands, settings and processes."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from courseplatform import machine

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LONGEST_LINE = 120
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`]+)`")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def commands_of(document: Path) -> list[str]:
    """What stands in backticks or in a block of code, line by line."""
    text = document.read_text(encoding="utf-8")
    blocks = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [*CODE.findall(BLOCK.sub("", text)), *blocks]


def test_there_are_documents():
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"} <= set(map(name_of, DOCUMENTS))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document):
    links = LINK.findall(document.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_lines_can_be_read(document):
    """A row of a table is one line by Markdown's own rule."""
    lines = document.read_text(encoding="utf-8").splitlines()
    long = [place for place, line in enumerate(lines, 1) if len(line) > LONGEST_LINE and not line.startswith("|")]
    assert not long


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_exist(document):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    missing = []
    for command in commands_of(document):
        made = re.match(r"make ([a-z-]+)\b", command)
        managed = re.match(r"(?:python )?manage\.py ([a-z_]+)\b", command)
        if made and made.group(1) not in targets:
            missing.append(command)
        if managed and managed.group(1) not in get_commands():
            missing.append(command)
    assert not missing


def test_the_table_of_processes_is_the_machines():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text[text.index("| process |") :].split("\n\n", 1)[0]
    told = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    ports = machine.Ports(web=8000, redis=1, models=2, programs=3)
    started = {service.name for service in machine.services(ports, machine.environment(ports))}
    assert told == started | {name for names in machine.PARTS.values() for name in names}
