"""What is installed is what was locked: every package by version and hash, on every platform, and no CUDA by accident."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[a-z,]+\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
BY_PIN_ALONE = {"torch"}  # the Makefile says why


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    """{package: version} of a list or a lock."""
    return {normal(found["name"]): found["version"] for found in PIN.finditer((ROOT / name).read_text())}


def entries(lock: str) -> dict[str, str]:
    """{package: its whole entry} of a lock."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / lock).read_text())
    return {normal(found["name"]): block for block in blocks if (found := PIN.match(block))}


@pytest.mark.parametrize(("wanted", "lock"), [("requirements.txt", "requirements.lock"),
                                              ("requirements-dev.txt", "requirements-dev.lock")])  # fmt: skip
def test_the_lock_holds_what_the_list_names(wanted, lock):
    named = {name: version for name, version in pins(wanted).items() if name not in BY_PIN_ALONE}
    assert len(named) > 10
    locked = pins(lock)
    assert {name: locked.get(name) for name in named} == named, f"run `make lock`: {wanted} and {lock} differ"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_has_hashes_and_none_belongs_to_a_graphics_card(lock):
    found = entries(lock)
    assert len(found) > 100
    assert [name for name, block in found.items() if "--hash=sha256:" not in block] == []
    assert [name for name in found if name.startswith(("torch", "nvidia", "cuda", "triton"))] == []


def test_tools_are_locked_beside_the_same_runtime():
    runtime, tools = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: tools.get(name) for name in runtime} == runtime


def test_the_lock_serves_other_platforms_than_this_one():
    block = entries("requirements.lock")["numpy"]
    assert block.count("--hash") > 20, "wheels of every system and every Python"
    assert "sys_platform == 'win32'" in (ROOT / "requirements.lock").read_text(), "and what only another system needs"


def test_installing_takes_nothing_that_the_lock_does_not_name():
    commands = [
        line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line and "-r " in line
    ]
    assert len(commands) >= 2
    assert all("--no-deps --require-hashes" in line for line in commands)
    torch = pins("requirements.txt")["torch"]
    assert f"torch=={torch}\n" in (ROOT / "Makefile").read_text()
    assert f'version = "{torch}"' in (ROOT / "pyproject.toml").read_text()
