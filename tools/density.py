"""How dense is the code? Tokens a line, cyclomatic complexity, sizes of functions and files, package by package.

    python -m tools.density

A line counts where code begins on it, a token where it is neither a comment nor white space: a blank line makes
nothing look lighter. Tests and migrations are not counted. Exit code 1 where a limit is crossed.
healthchecks has 6.9 tokens a line, wagtail 5.8, by the same count.
"""

import ast
import io
import json
import subprocess
import sys
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("second_grade", "teams", "datasets", "training", "evaluation", "courseplatform")
MOST_TOKENS = 7.5
"""A line, on average over all packages."""
MOST_COMPLEXITY = 12
LONGEST_FILE = 400
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass
class Count:
    """What one file has, or several together."""

    tokens: int = 0
    lines: int = 0
    files: int = 0
    longest_function: tuple[int, str] = (0, "")
    longest_file: tuple[int, str] = (0, "")
    complexity: tuple[int, str] = (0, "")
    functions: list[int] = field(default_factory=list)

    @property
    def density(self) -> float:
        return self.tokens / self.lines if self.lines else 0.0

    def add(self, other: "Count") -> None:
        self.tokens += other.tokens
        self.lines += other.lines
        self.files += other.files
        self.longest_function = max(self.longest_function, other.longest_function)
        self.longest_file = max(self.longest_file, other.longest_file)
        self.complexity = max(self.complexity, other.complexity)
        self.functions += other.functions


def count(source: str, name: str) -> Count:
    """Counts one file. Raises SyntaxError where it is no Python."""
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in NO_CODE]
    functions = [
        (1 + (node.end_lineno or node.lineno) - node.lineno, f"{name}:{node.lineno} {node.name}")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return Count(
        tokens=len(tokens),
        lines=len({token.start[0] for token in tokens}),
        files=1,
        longest_function=max(functions, default=(0, "")),
        longest_file=(len(source.splitlines()), name),
        functions=[lines for lines, _ in functions],
    )


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts]
    return sorted(path for path in found if not path.is_symlink())


def complexities() -> dict[str, tuple[int, str]]:
    """The most complex function of each file, counted by ruff: how many ways lead through it, and where it is."""
    command: list[str | Path] = [
        Path(sys.executable).parent / "ruff",
        "check",
        "--select=C901",
        "--config=lint.mccabe.max-complexity=0",
        "--output-format=json",
        "--exit-zero",
        *PACKAGES,
    ]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    most: dict[str, tuple[int, str]] = {}
    for one in json.loads(told):
        name = str(Path(one["filename"]).relative_to(ROOT))
        ways = int(one["message"].rpartition("(")[2].split()[0])
        function = one["message"].split("`")[1]
        most[name] = max(most.get(name, (0, "")), (ways, f"{name}:{one['location']['row']} {function}"))
    return most


def by_package() -> dict[str, Count]:
    most = complexities()
    packages = {package: Count() for package in PACKAGES}
    for path in sources():
        name = str(path.relative_to(ROOT))
        found = count(path.read_text(), name)
        found.complexity = most.get(name, (0, ""))
        packages[name.split("/")[0]].add(found)
    return packages


def broken(total: Count) -> list[str]:
    """A sentence for each limit that is crossed."""
    said = []
    if total.density > MOST_TOKENS:
        said.append(f"{total.density:.2f} tokens a line; the limit is {MOST_TOKENS}: one thought a line.")
    if total.complexity[0] > MOST_COMPLEXITY:
        said.append(f"{total.complexity[1]} has complexity {total.complexity[0]}; the limit is {MOST_COMPLEXITY}.")
    if total.longest_file[0] > LONGEST_FILE:
        said.append(f"{total.longest_file[1]} has {total.longest_file[0]} lines; the limit is {LONGEST_FILE}.")
    return said


def main() -> int:
    packages = by_package()
    total = Count()
    for found in packages.values():
        total.add(found)
    print(f"{'package':<16}{'files':>6}{'lines':>8}{'tokens a line':>15}{'complexity':>12}{'longest function':>18}")
    for name, found in [*packages.items(), ("all", total)]:
        longest = found.longest_function[0]
        print(f"{name:<16}{found.files:>6}{found.lines:>8}{found.density:>15.2f}{found.complexity[0]:>12}{longest:>18}")
    print(f"Most complex: {total.complexity[1]}. Longest function: {total.longest_function[1]}.")
    for said in broken(total):
        print(said)
    return 1 if broken(total) else 0


if __name__ == "__main__":
    sys.exit(main())
