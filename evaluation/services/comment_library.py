"""What a professor wrote on the same criterion for other bots, to be used again. Her own words only: nobody else's are in it."""

from evaluation.models import CriterionScore, Grading

MOST = 8
LONGEST = 500


def of_grader(grading: Grading) -> dict[str, list[str]]:
    """By criterion key: her comments on her other bots of this course, the newest first, each once."""
    rows = (
        CriterionScore.objects.filter(grade__grading__grader=grading.grader_id)
        .exclude(grade__grading=grading)
        .exclude(comment="")
        .order_by("-grade__saved_at", "-pk")
        .values_list("criterion__key", "comment")
    )
    found: dict[str, list[str]] = {}
    for key, comment in rows:
        text = comment.strip()
        kept = found.setdefault(key, [])
        if text and len(text) <= LONGEST and text not in kept and len(kept) < MOST:
            kept.append(text)
    return found
