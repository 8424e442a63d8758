"""What the rows are about: labels as given, labels suggested by rule, and how evenly they lie."""

import re
from collections import Counter
from collections.abc import Sequence

from datasets.formats import LABELS, Row

_VOCABULARY: dict[str, frozenset[str]] = {
    "math": frozenset(
        {
            "add",
            "added",
            "adding",
            "cent",
            "circle",
            "clock",
            "coin",
            "count",
            "counted",
            "counting",
            "digit",
            "dime",
            "divide",
            "dollar",
            "equal",
            "even",
            "fraction",
            "half",
            "halves",
            "inch",
            "inches",
            "math",
            "measure",
            "minus",
            "multiply",
            "nickel",
            "number",
            "o'clock",
            "odd",
            "ones",
            "penny",
            "plus",
            "problem",
            "quarter",
            "rectangle",
            "shape",
            "square",
            "subtract",
            "subtracting",
            "sum",
            "take-away",
            "tens",
            "times",
            "triangle",
        }
    ),
    "science": frozenset(
        {
            "air",
            "animal",
            "body",
            "bone",
            "bug",
            "butterflies",
            "butterfly",
            "cloud",
            "dinosaur",
            "earth",
            "experiment",
            "float",
            "freeze",
            "freezing",
            "frog",
            "frozen",
            "gravity",
            "grow",
            "heat",
            "ice",
            "insect",
            "leaf",
            "leaves",
            "light",
            "magnet",
            "melt",
            "melted",
            "melting",
            "moon",
            "planet",
            "plant",
            "rain",
            "rainbow",
            "raining",
            "science",
            "season",
            "seed",
            "shadow",
            "sink",
            "sky",
            "soil",
            "sound",
            "star",
            "sun",
            "volcano",
            "water",
            "weather",
        }
    ),
    "reading": frozenset(
        {
            "author",
            "book",
            "chapter",
            "character",
            "letter",
            "noun",
            "page",
            "paragraph",
            "poem",
            "punctuation",
            "read",
            "reader",
            "reading",
            "rhyme",
            "rhyming",
            "sentence",
            "spell",
            "spelling",
            "stories",
            "story",
            "title",
            "verb",
            "vowel",
            "word",
            "write",
            "writing",
            "wrote",
        }
    ),
    "social studies": frozenset(
        {
            "cities",
            "citizen",
            "city",
            "community",
            "country",
            "firefighter",
            "flag",
            "goods",
            "history",
            "holiday",
            "job",
            "law",
            "map",
            "mayor",
            "money",
            "native",
            "neighborhood",
            "past",
            "police",
            "president",
            "rule",
            "service",
            "state",
            "thanksgiving",
            "vote",
            "voting",
        }
    ),
    "social": frozenset(
        {
            "angry",
            "birthday",
            "brother",
            "bully",
            "bullying",
            "dad",
            "fair",
            "favorite",
            "feel",
            "feeling",
            "friend",
            "happy",
            "kind",
            "lunch",
            "mad",
            "mom",
            "play",
            "playing",
            "recess",
            "sad",
            "scared",
            "share",
            "sharing",
            "sister",
            "sorry",
            "weekend",
        }
    ),
}
_SUBJECT_OF: dict[str, str] = {
    word: subject for subject, words in reversed(_VOCABULARY.items()) for word in words
}
_SUM = re.compile(r"\d\s*[+×x*÷/−-]\s*\d|how many")
_TOKEN = re.compile(r"[a-z']+")
_EMOTIONS: dict[str, re.Pattern[str]] = {
    "frustrated": re.compile(
        r"\b(?:too hard|i can'?t|hate|ugh|mad|i give up|not fair|confusing)\b", re.IGNORECASE
    ),
    "sad": re.compile(
        r"\b(?:sad|cry|cried|miss(?:ed)? (?:my|her|him)|lonely|hurt my feelings)\b",
        re.IGNORECASE,
    ),
    "worried": re.compile(r"\b(?:scared|afraid|nervous|worried|in trouble)\b", re.IGNORECASE),
    "unsure": re.compile(
        r"\b(?:i don'?t know|not sure|maybe|i think|i guess|um+|hmm+|i forgot)\b", re.IGNORECASE
    ),
    "excited": re.compile(
        r"\b(?:wow|yay|cool|awesome|i love|so fun|guess what|oh! )|!!", re.IGNORECASE
    ),
    "curious": re.compile(r"\b(?:why|how come|i wonder|what if)\b", re.IGNORECASE),
    "confident": re.compile(r"\b(?:i know|easy|it'?s \d+|it is \d+)\b|!$", re.IGNORECASE),
}
_MISCONCEPTIONS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (
            "the sun moves around the Earth",
            r"sun (?:goes|moves|travels|walks)\b.{0,20}\b(?:around|across|to bed|down|behind)",
        ),
        ("heavy things always sink", r"\b(?:heavy|big) (?:things|ones|stuff)\b.{0,20}\bsink"),
        ("heavy things fall faster", r"heav\w{1,6} .{0,25}falls? (?:faster|quicker|first)"),
        (
            "plants eat soil",
            r"plants? (?:eat|eats|drink|gets? food from)\b.{0,20}\b(?:soil|dirt)|food in (?:it|the (?:soil|dirt))",
        ),
        (
            "seasons come from the distance to the sun",
            r"(?:closer|farther|far away|close)\b.{0,25}\bsun\b.{0,40}(?:summer|winter|warm|cold|hot)",
        ),
        ("the moon makes its own light", r"moon (?:makes|has|is) (?:its own )?(?:a )?light"),
        (
            "clouds are cotton or smoke",
            r"clouds? (?:are|is) (?:made of )?(?:cotton|smoke|fluff)",
        ),
        (
            "the bigger denominator is the bigger fraction",
            r"\bbecause \w{1,20} is bigger than \w{1,20}.{0,30}(?:fraction|piece|half|third|fourth)",
        ),
        ("adding digits without carrying", r"(?:forgot to (?:carry|regroup)|don'?t carry)"),
        (
            "subtraction can be turned round",
            r"(?:can'?t|cannot) take \w{1,20} (?:from|away from) \w{1,20}.{0,30}(?:so i|turn|switch|flip)",
        ),
        (
            "the equals sign means the answer comes",
            r"equals? (?:sign )?means? (?:the answer|you write|do it)",
        ),
        (
            "a square is not a rectangle",
            r"squares? (?:is|are)(?:n'?t| not) (?:an? )?rectangles?",
        ),
    )
)
_CORRECTED = re.compile(
    r"\b(?:not quite|are you sure|check (?:that|it|your)|try again|look again|almost|close, but|let'?s check)\b",
    re.IGNORECASE,
)
_HARD_MATH = re.compile(r"\d{3,}|[×÷*/]|\bfractions?\b|\btimes\b|\bdivid\w+")
_EXPLAINING = re.compile(r"\b(?:why|how|explain)\b", re.IGNORECASE)
_LONGEST_VALUE = 80
"""Characters of a label's value that are counted by; a label that long is none to chart."""
_CHECKED_LABELS = ("subject", "difficulty", "emotion", "misconception", "special_case")


def suggest_labels(row: Row) -> dict[str, str]:
    """Labels that rules suggest for those the row has not; people confirm them. Only what some rule is sure enough
    of.
    """
    asked = " ".join(m["content"] for m in row.messages if m["role"] == "user")
    said = " ".join(row.student_text())
    suggested = {
        "subject": _subject(asked, said),
        "difficulty": _difficulty(asked),
        "emotion": next(
            (name for name, pattern in _EMOTIONS.items() if pattern.search(said)), ""
        ),
        "misconception": _misconception(asked, said),
        "special_case": _special_case(row, said),
    }
    return {
        label: value for label, value in suggested.items() if value and label not in row.labels
    }


def _subject(asked: str, said: str) -> str:
    """The subject whose words weigh most, the teacher's twice; none below a weight of two."""
    scores: dict[str, int] = dict.fromkeys(_VOCABULARY, 0)
    for text, weight in ((asked.lower(), 2), (said.lower(), 1)):
        for token in _TOKEN.findall(text):
            subject = _SUBJECT_OF.get(token) or _SUBJECT_OF.get(token.removesuffix("s"))
            if subject:
                scores[subject] += weight
        scores["math"] += 2 * weight * len(_SUM.findall(text))
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= 2 else ""


def _difficulty(asked: str) -> str:
    if not asked:
        return ""
    length = len(asked.split())
    if _HARD_MATH.search(asked) or length > 35 or _asks_to_explain(asked):
        return "hard"
    return "easy" if length <= 9 else "medium"


def _asks_to_explain(asked: str) -> bool:
    """Whether one line asks why and then how, or for an explanation. Word by word: `why.*how` would be quadratic."""
    for line in asked.splitlines():
        why = False
        for word in _EXPLAINING.findall(line):
            if word.lower() == "explain" or (why and word.lower() == "how"):
                return True
            why = why or word.lower() == "why"
    return False


def _misconception(asked: str, said: str) -> str:
    named = next((name for name, pattern in _MISCONCEPTIONS if pattern.search(said)), "")
    return named or ("corrected by the teacher" if _CORRECTED.search(asked) else "")


def _special_case(row: Row, said: str) -> str:
    if re.search(r"\b(?:i don'?t know|we didn'?t learn|i never heard)\b", said, re.IGNORECASE):
        return "does not know"
    if re.search(r"\b(?:wait|oops|i mean)\b", said, re.IGNORECASE):
        return "corrects itself"
    return "long conversation" if len(row.messages) > 8 else ""


def coverage(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, int]]]:
    """{label: {"given": {value: rows}, "suggested": {value: rows}}}; rows without a value count under ""
    (unlabelled).
    """
    counted = {label: {"given": Counter[str](), "suggested": Counter[str]()} for label in LABELS}
    for row in rows:
        suggested = suggest_labels(row)
        for label in LABELS:
            given = row.labels.get(label, "")[:_LONGEST_VALUE]
            counted[label]["given"][given] += 1
            if label in _CHECKED_LABELS:
                counted[label]["suggested"][given or suggested.get(label, "")] += 1
    return {
        label: {kind: dict(c.most_common(50)) for kind, c in both.items()}
        for label, both in counted.items()
    }
