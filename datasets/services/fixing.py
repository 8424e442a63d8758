"""What a person fixes in a whole file: rules, encoding, columns and speakers. The file is checked again, and it is on record."""

from typing import Any

from datasets import formats
from datasets.models import FixKind, Import
from datasets.services import imports, repairs
from teams.models import User


def fix_rules(*, import_: Import, codes: list[str], person: User) -> Import:
    """Check again with these safe repairs, of those that the file has use for."""
    wanted = [code for code in import_.fixable_codes if code in codes]
    if not wanted:
        raise imports.NotReady(
            "These are fixed already, or nothing of the kind is in the file any more."
        )
    checked = imports.check(import_=import_, rule_fixes=sorted({*import_.rule_fixes, *wanted}))
    for code in wanted:
        repairs.note(import_=import_, kind=FixKind.RULE, key=code, person=person)
    return checked


def choose_encoding(*, import_: Import, encoding: str, person: User) -> Import:
    """Check again in an encoding that a person chose. Raises NotReady for one that nobody can choose."""
    if encoding not in formats.ENCODING_CHOICES:
        raise imports.NotReady("Choose one of the encodings in the list.")
    checked = imports.check(import_=import_, encoding=encoding)
    repairs.unnote(import_=import_, kind=FixKind.ENCODING, key="", person=person)
    repairs.note(import_=import_, kind=FixKind.ENCODING, key=encoding, person=person)
    return checked


def choose_mapping(*, import_: Import, mapping: dict[str, Any], person: User) -> Import:
    """Check again with the columns or speakers that a person named."""
    checked = imports.check(import_=import_, mapping=mapping)
    repairs.note(import_=import_, kind=FixKind.MAPPING, key="mapping", person=person)
    return checked


def take_back(*, import_: Import, kind: str, key: str, person: User) -> Import:
    """Undo what the whole file is read with: a rule, the encoding, or the mapping. Raises NotReady."""
    changed: dict[str, Any] = {}
    if kind == FixKind.RULE:
        changed["rule_fixes"] = [code for code in import_.rule_fixes if code != key]
    elif kind == FixKind.ENCODING:
        changed["encoding"] = ""
    elif kind == FixKind.MAPPING:
        changed["mapping"] = None
    else:
        raise imports.NotReady("There is no such fix.")
    checked = imports.check(import_=import_, **changed)
    repairs.unnote(import_=import_, kind=FixKind(kind), key=key, person=person)
    return checked
