"""Builds the word lists and the letter statistics by which names are told from other words; run by hand, once.

    python tools/build_name_data.py FOLDER

FOLDER holds two packages of the registry, unpacked: `spacy-lookups-data` 1.0.5 (MIT: how often a million words are
written with a small and with a capital letter) and `Faker` 40.63.0 (MIT: names of 60 countries). Neither is needed
where the platform runs. Written to `datasets/checks/data`:

- `plain_words.txt.gz`: words that people mostly write with a small letter, common misspellings among them.
- `name_parts.txt.gz`: given names (g) and family names (s), folded to a-z.
- `name_letters.json`: for each three letters, how much likelier they are in a name than in another rare word
  (natural logarithm of the ratio, times 100).

The names with which recall is measured (`tests/privacy/names.py`) are not in the lists: the generator leaves out
whatever stands here.
"""

import gzip
import importlib
import json
import math
import pkgutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

DATA = Path(__file__).parents[1] / "datasets" / "checks" / "data"
LEAST_LOG_PROBABILITY = -17.0
RARE_LOG_PROBABILITY = -19.0
LOWER_CASE_SHARE = 0.5
MOST_LETTERS = 24
SPECIAL = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"})


def folded(word: str) -> str:
    """Lower case, without accents."""
    apart = unicodedata.normalize("NFKD", word.lower().translate(SPECIAL))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def is_latin(word: str) -> bool:
    plain = folded(word)
    return len(plain) > 1 and plain.isascii() and plain.isalpha()


def word_counts(folder: Path) -> dict[str, list[float]]:
    """word -> [probability with a small letter, with a capital one]"""
    packed = folder / "spacy_lookups_data" / "data" / "en_lexeme_prob.json.gz"
    counts: dict[str, list[float]] = {}
    for word, log_probability in json.loads(gzip.decompress(packed.read_bytes())).items():
        lower = word.lower()
        if not word.isalpha() or len(word) > MOST_LETTERS:
            continue
        count = counts.setdefault(lower, [0.0, 0.0])
        if word == lower:
            count[0] += math.exp(log_probability)
        elif word == word.capitalize():
            count[1] += math.exp(log_probability)
    return counts


def names(folder: Path) -> Iterator[tuple[str, str]]:
    """(kind, name): "g" for given names, "s" for family names; those written in Latin letters."""
    sys.path.insert(0, str(folder))
    package = importlib.import_module("faker.providers.person")
    for module in pkgutil.iter_modules(package.__path__):
        provider = importlib.import_module(f"faker.providers.person.{module.name}").Provider
        for attribute in dir(provider):
            kind = "g" if attribute.startswith("first_") else "s" if attribute.startswith("last_") else ""
            value = getattr(provider, attribute)
            if kind and not callable(value):
                for name in texts_in(value):
                    yield kind, name


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        for inner in value:
            yield from texts_in(inner)


def letters_of(word: str) -> Iterator[str]:
    framed = f"^{word}$"
    return (framed[at : at + 3] for at in range(len(framed) - 2))


def likelihoods(positive: Iterable[str], negative: Iterable[str]) -> dict[str, int]:
    """Three letters -> how much likelier in a name, as the module says. Both sides count as equally long."""
    sides = [Counter(piece for word in side for piece in letters_of(word)) for side in (positive, negative)]
    pieces = sorted(set(sides[0]) | set(sides[1]))
    totals = [sum(side.values()) + len(pieces) for side in sides]
    found = {}
    for piece in pieces:
        if sides[0][piece] + sides[1][piece] >= 3:
            ratio = math.log((sides[0][piece] + 1) / totals[0]) - math.log((sides[1][piece] + 1) / totals[1])
            found[piece] = round(100 * ratio)
    return found


def write_lines(name: str, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    (DATA / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def main(folder: Path) -> None:
    counts = word_counts(folder)
    plain: list[str] = []
    rare: list[str] = []
    for word, (small, capital) in counts.items():
        if small / (small + capital or 1) < LOWER_CASE_SHARE:
            continue
        if small > math.exp(LEAST_LOG_PROBABILITY):
            plain.append(word)
        elif small > math.exp(RARE_LOG_PROBABILITY):
            rare.append(word)
    kinds: dict[str, set[str]] = {}
    for kind, name in names(folder):
        for part in name.replace("-", " ").replace("'", "").replace("’", "").split():
            if is_latin(part):
                kinds.setdefault(folded(part), set()).add(kind)
    write_lines("plain_words.txt.gz", sorted(plain))
    write_lines("name_parts.txt.gz", (f"{name} {''.join(sorted(kinds[name]))}" for name in sorted(kinds)))
    known = set(plain)
    letters = likelihoods([name for name in kinds if name not in known], [word for word in rare if is_latin(word)])
    (DATA / "name_letters.json").write_text(json.dumps(letters, separators=(",", ":"), sort_keys=True) + "\n")
    sys.stdout.write(f"{len(plain):,} plain words, {len(kinds):,} name parts, {len(letters):,} triples of letters\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
