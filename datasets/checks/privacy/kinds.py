"""The kinds of personal data that are looked for, and how a finding is told inside the rules."""

from typing import Literal

Kind = Literal[
    "name",
    "phone",
    "email",
    "handle",
    "address",
    "school",
    "id_number",
    "birthdate",
    "health",
    "family",
]
KINDS: dict[Kind, str] = {
    "name": "full names, and first names that somebody is introduced by",
    "phone": "telephone numbers, spelled-out ones too",
    "email": "e-mail addresses",
    "handle": "names in games, chats and social networks, links to profiles",
    "address": "street addresses, post boxes and postcodes",
    "school": "names of schools",
    "id_number": "numbers of pupils, insurances, passports and bank cards",
    "birthdate": "dates of birth",
    "health": "illnesses, disabilities and treatments of a person",
    "family": "what a family would not tell a stranger",
}
"""kind -> what it stands for, for the page"""
Severity = Literal["high", "medium", "low"]
Found = tuple[Kind, int, int, Severity, str]
"""(kind, start, end, severity, reason)"""


def word_set(words: str) -> frozenset[str]:
    """The words of a text, for lists that stay readable."""
    return frozenset(words.split())
