"""Do pages say the same as before? Every page that tests render is rendered with the templates of an older commit too.

    python -m tools.compare_pages HEAD~1                   every page of the access walk, as every role
    python -m tools.compare_pages HEAD~1 tests/evaluation  every page that these tests come by

Both renderings see the same context, so nothing but the templates can make them differ. Two pages are the same if a
browser draws the same: spaces inside a tag do not count, nor does how long a space is, nor spaces at the edge of a block.
A space beside an inline element does count. Text in `pre`, `textarea` and `script` counts as it is.
Exit code 1, and the differences, where a page changed or where no page was compared.
"""

import argparse
import difflib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "COMPARE_TEMPLATES"
"""The environment variable that tells the tests where the older templates lie."""
REPORT = "COMPARE_REPORT"
"""The environment variable that tells the tests where to write what they found."""

EXACT = {"pre", "textarea", "script", "style"}
BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "col",
        "colgroup",
        "datalist",
        "dd",
        "details",
        "dialog",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hr",
        "html",
        "legend",
        "li",
        "link",
        "main",
        "meta",
        "nav",
        "noscript",
        "ol",
        "optgroup",
        "option",
        "p",
        "pre",
        "script",
        "section",
        "style",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
        "br",
        "svg",
        "g",
        "rect",
        "path",
        "line",
        "circle",
        "polyline",
        "text",
    ]
)
"""At their edges, inside and outside, a browser draws no space."""
BLOCKS_INSIDE = {"button", "select", "textarea"}
"""They stand in a line of text, so that a space before them shows; one just inside them does not."""


def selectors(rule: str) -> list[list[str]]:
    """The selectors of our style sheets with a rule that matches, each as its parts from the outermost element on."""
    found = []
    for sheet in sorted(STATIC.glob("*.css")):
        for names, rules in re.findall(
            r"([^{};]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.DOTALL)
        ):
            if re.search(rule, rules):
                found += [name.replace(">", " ").split() for name in names.split(",")]
    return found


def matches(selector: list[str], above: list[tuple[str, set[str]]]) -> bool:
    """Whether the last of the elements that are open is meant by a selector (tags, classes, descendants)."""
    parts = [re.findall(r"[.]?[\w-]+", part) for part in selector]

    def meant(part: list[str], element: tuple[str, set[str]]) -> bool:
        tag, classes = element
        return all(name[1:] in classes if name.startswith(".") else name == tag for name in part)

    if not above or not meant(parts[-1], above[-1]):
        return False
    rest = iter(above[:-1])
    return all(any(meant(part, element) for element in rest) for part in parts[:-1])


STATIC = ROOT / "courseplatform" / "static"
KEEPS_SPACES = selectors(r"white-space:\s*(pre|break-spaces)")
DRAWS_NO_SPACES = selectors(r"display:\s*(inline-)?(flex|grid)")
"""Each child of such an element is a box of its own: text between them that is nothing but spaces is not drawn."""
VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)


class Normal(HTMLParser):
    """A page as a list of lines: one for each tag, one for each text between two tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[tuple[str, str]] = []  # kind ("text", "edge" of a block, "tag") and what it says
        self.open: list[tuple[str, set[str]]] = []  # tag and classes, outermost first

    def _open(self, tag: str, classes: set[str]) -> None:
        if tag not in VOID:
            self.open.append((tag, classes))

    def _close(self, tag: str) -> None:
        places = [place for place, (name, _) in enumerate(self.open) if name == tag]
        if places:
            del self.open[places[-1] :]

    def _exact(self) -> bool:
        """Whether the browser shows spaces and line ends as they are here."""
        for depth in range(len(self.open), 0, -1):
            above = self.open[:depth]
            if above[-1][0] in EXACT or any(matches(selector, above) for selector in KEEPS_SPACES):
                return True
        return False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: " ".join((value or "").split()) for name, value in attrs}
        if values.get("name") == "csrfmiddlewaretoken":
            values["value"] = "new each time"
        for name, value in values.items():
            if value.startswith("{"):
                values[name] = json.dumps(json.loads(value))
        if "X-CSRFToken" in values.get("hx-headers", ""):
            values["hx-headers"] = "new each time"
        said = " ".join(f'{name}="{value}"' for name, value in values.items())
        if tag == "input" and values.get("type") == "hidden":
            self.pieces.append(("hidden", f"<input {said}>"))
            return
        self._tag(tag, f"<{tag} {said}>" if said else f"<{tag}>", opens=True)
        self._open(tag, set(values.get("class", "").split()))

    def handle_endtag(self, tag: str) -> None:
        self._close(tag)
        self._tag(tag, f"</{tag}>", opens=False)

    def handle_decl(self, decl: str) -> None:
        self.pieces.append(("edge", f"<!{decl.lower()}>"))

    def handle_comment(self, data: str) -> None:
        self.pieces.append(("tag", f"<!--{data}-->"))

    def handle_data(self, data: str) -> None:
        if self._exact():
            self.pieces.append(("exact", data))
        elif data.strip() or not any(matches(selector, self.open) for selector in DRAWS_NO_SPACES):
            self.pieces.append(("text", data))

    def _tag(self, tag: str, said: str, *, opens: bool) -> None:
        if tag in BLOCKS:
            self.pieces.append(("edge", said))
        elif tag in BLOCKS_INSIDE:
            self.pieces.append(("edge-after" if opens else "edge-before", said))
        else:
            self.pieces.append(("tag", said))

    def lines(self) -> list[str]:
        """Raises nothing; what is no HTML (JSON, plain text) is one text."""
        merged: list[tuple[str, str]] = []
        for kind, said in self.pieces:
            if kind == "text" and merged and merged[-1][0] == "text":
                merged[-1] = ("text", merged[-1][1] + said)
            else:
                merged.append((kind, said))
        found = []
        for place, (kind, said) in enumerate(merged):
            if kind == "text":
                said = re.sub(r"[ \t\r\n\f]+", " ", said)
                if seen_beside(reversed(merged[:place])) in ("edge", "edge-after"):
                    said = said.lstrip(" ")
                if seen_beside(iter(merged[place + 1 :])) in ("edge", "edge-before"):
                    said = said.rstrip(" ")
            if said:
                found.append(said)
        return found


def seen_beside(pieces: Iterable[tuple[str, str]]) -> str:
    """The kind of the next thing that is drawn."""
    beside = "edge"
    for beside, said in pieces:
        if beside != "hidden" and said.strip():
            break
    return beside


def normal(page: str) -> list[str]:
    parser = Normal()
    parser.feed(page)
    parser.close()
    return parser.lines()


# In the tests' process: this module is a pytest plugin there -------------------------------------------------------------


def pytest_configure(config: Any) -> None:
    from django.template.backends import django as backend

    params = dict(before_params())
    older = backend.DjangoTemplates(params)
    find = backend.DjangoTemplates.get_template
    draw = backend.Template.render

    def get_template(engine: Any, name: str) -> Any:
        found: Any = find(engine, name)
        if engine.name not in (older.name, "djangoforms"):
            found.called = name
        return found

    def render(template: Any, context: Any = None, request: Any = None) -> Any:
        page = draw(template, context, request)
        if name := getattr(template, "called", None):
            compare(name, lambda: str(draw(find(older, name), context, request)), str(page))
        return page

    backend.DjangoTemplates.get_template = get_template  # type: ignore[method-assign, assignment]
    backend.Template.render = render  # type: ignore[method-assign, assignment]


def before_params() -> dict[str, Any]:
    from django.conf import settings

    ours: dict[str, Any] = settings.TEMPLATES[0]
    return {
        "NAME": "before",
        "DIRS": [os.environ[FOLDER]],
        "APP_DIRS": ours.get("APP_DIRS", False),
        "OPTIONS": dict(ours["OPTIONS"]),
    }


def compare(name: str, draw_before: Any, page: str) -> None:
    from django.template import TemplateDoesNotExist

    try:
        before = normal(draw_before())
    except TemplateDoesNotExist:
        note(f"new\t{name}\n")
        return
    now = normal(page)
    if before == now:
        note(f"same\t{name}\n")
        return
    told = "\n".join(difflib.unified_diff(before, now, "before", "now", lineterm="", n=2))
    note(f"changed\t{name}\n{told}\n")


def note(said: str) -> None:
    """Appends in one write: several test processes share the file."""
    handle = os.open(os.environ[REPORT], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, said.encode())
    os.close(handle)


# The command ------------------------------------------------------------------------------------------------------------


def unpack(commit: str, folder: Path) -> None:
    packed = subprocess.run(
        ["git", "archive", "--format=tar", commit, "templates"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("commit", help="whose templates are the ones before")
    args, tests = asked.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        unpack(args.commit, Path(folder))
        report = Path(folder) / "report.txt"
        environment = os.environ | {FOLDER: f"{folder}/templates", REPORT: str(report)}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tools.compare_pages",
            *(tests or ["-n0", "tests/test_access.py"]),
        ]
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        told = report.read_text() if report.exists() else ""
    return summary(told)


def summary(told: str) -> int:
    heads = [line.split("\t") for line in told.splitlines() if line.startswith(("same\t", "changed\t", "new\t"))]
    by_kind = {kind: [name for said, name in heads if said == kind] for kind in ("same", "changed", "new")}
    differences = re.findall(r"^changed\t(.*\n(?:(?!same\t|changed\t|new\t).*\n)*)", told, flags=re.MULTILINE)
    for difference in dict.fromkeys(differences):
        print(difference)
    for kind, names in by_kind.items():
        print(f"{kind}: {len(names)} renderings of {len(set(names))} templates")
    return 0 if by_kind["same"] and not by_kind["changed"] else 1


if __name__ == "__main__":
    sys.exit(main())
