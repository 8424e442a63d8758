"""From low levels to what a team can do about them."""

from collections.abc import Iterable

from evaluation.services.results import CriterionResult

LOW = 3.0  # a level below this asks for work
MOST = 3
ADVICE = {  # by the criterion's key, which stays when an instructor renames it
    "vocabulary": "Open your dataset's language check and rewrite the rows with the longest "
    "sentences and the words beyond grade 2.",
    "reasoning": "Add rows that show the way to the answer: counting on, drawing, “it's like "
    "when…”, one thing at a time.",
    "misconceptions": "Choose three misconceptions your professor named, write five questions "
    "for each, and let the student make the same mistake every time.",
    "flow": "Add rows with hesitation, short answers, “I don't know” and a thought of the child's own; "
    "take out rows in which it is polite and complete.",
    "curriculum": "Look at the subject balance of your dataset and take out what is taught later than second grade.",
    "progression": "Add conversations of several turns in which a hint helps a little, then more, and "
    "the child gets it in the end.",
    "understanding": "Ask the same thing in two wordings in your rows and keep the answers consistent.",
    "engagement": "Let the student ask back, tell what it saw at home, get excited or stuck.",
}
READ_THE_COMMENTS = "Read the comments and the marked answers, and add rows that answer those questions the way a child would."


def next_steps(criteria: Iterable[CriterionResult]) -> list[str]:
    """Up to three sentences, the lowest criterion first; empty when there is nothing below "Mostly"."""
    low = sorted(
        (row for row in criteria if row.final is not None and row.final < LOW), key=_level
    )
    return list(dict.fromkeys(ADVICE.get(row.criterion.key, READ_THE_COMMENTS) for row in low))[
        :MOST
    ]


def _level(row: CriterionResult) -> float:
    return row.final or 0.0
