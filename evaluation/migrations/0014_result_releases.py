"""Results are released as versions, and a course may set points. What teams see already becomes version 1, as they see it.

Until now the mean of the graders counted where nobody had adjudicated, so in those versions it still does.
"""

from collections.abc import Iterator
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

POINTS = 100


def keep_what_teams_see(apps: Any, schema_editor: Any) -> None:
    submissions = apps.get_model("evaluation", "Submission").objects.exclude(released_at=None)
    releases = apps.get_model("evaluation", "ResultRelease").objects
    for submission in submissions.iterator(200):
        made = releases.create(submission=submission, number=1, content=_content(apps, submission))
        releases.filter(pk=made.pk).update(created_at=submission.released_at)


def _content(apps: Any, submission: Any) -> dict[str, Any]:
    gradings = list(submission.gradings.select_related("grade").order_by("code"))
    committed = [(place, one) for place, one in enumerate(gradings, start=1) if one.grade.status == "committed"]
    return {
        "points": POINTS,
        "shares": [],
        "criteria": [_criterion(apps, submission, one, committed) for one in submission.rubric.criteria.order_by("position")],
        "comments": [{"grader": place, "comment": grading.grade.comment} for place, grading in committed],
        "marked": _marked(apps, submission),
    }


def _criterion(apps: Any, submission: Any, criterion: Any, committed: list[tuple[int, Any]]) -> dict[str, Any]:
    marks = [mark for place, grading in committed for mark in _marks(place, grading, criterion)]
    rows = apps.get_model("evaluation", "Adjudication").objects.filter(submission=submission, criterion=criterion)
    settled = rows.order_by("id").last()
    levels = [mark["level"] for mark in marks if mark["level"] is not None]
    mean = sum(levels) / len(levels) if levels else None
    return {
        "key": criterion.key,
        "weight": criterion.weight,
        "final": float(settled.level) if settled else mean,
        "settled": {"level": settled.level, "reason": settled.reason} if settled else None,
        "marks": marks,
    }


def _marks(place: int, grading: Any, criterion: Any) -> Iterator[dict[str, Any]]:
    for score in grading.grade.scores.filter(criterion=criterion):
        yield {
            "grader": place,
            "level": score.level,
            "cannot_judge": score.cannot_judge,
            "comment": score.comment,
        }


def _marked(apps: Any, submission: Any) -> list[dict[str, Any]]:
    """In the order in which pages show them: by talk, then by place in it."""
    found: dict[tuple[Any, int], dict[str, Any]] = {}
    counts = {
        "grading__submission": submission,
        "grading__grade__status": "committed",
        "turn__replaced_at": None,
    }
    tags = apps.get_model("evaluation", "TurnTag").objects.filter(**counts)
    for tag in tags.select_related("turn__conversation", "criterion").order_by("label", "pk"):
        criterion = tag.criterion.key if tag.criterion else ""
        _of_turn(found, tag.turn)["tags"].append({"label": tag.label, "criterion": criterion})
    corrections = apps.get_model("evaluation", "TurnCorrection").objects.filter(**counts)
    for one in corrections.select_related("turn__conversation").order_by("pk"):
        _of_turn(found, one.turn)["better"].append(one.answer)
    return [found[place] for place in sorted(found)]


def _of_turn(found: dict[tuple[Any, int], dict[str, Any]], turn: Any) -> dict[str, Any]:
    place = (turn.conversation.key, turn.position)
    return found.setdefault(place, {"turn": str(turn.key), "tags": [], "better": []})


class Migration(migrations.Migration):
    dependencies = [
        ("evaluation", "0013_blind_page_source"),
        ("teams", "0022_grading_notices"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "GradeScale",
            [
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("title", models.CharField(help_text="The column's name in a grade book.", max_length=60)),
                ("points", models.PositiveSmallIntegerField()),
                ("weights", models.JSONField(default=dict)),
                ("shares", models.JSONField(default=list)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "course",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="grade_scale", to="teams.course"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            "ResultRelease",
            [
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("number", models.PositiveSmallIntegerField()),
                ("content", models.JSONField()),
                (
                    "reason",
                    models.CharField(
                        blank=True, help_text="Why there is a new version; empty for the first.", max_length=500
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "submission",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="releases",
                        to="evaluation.submission",
                    ),
                ),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(fields=("submission", "number"), name="release_number_unique")
                ],
            },
        ),
        migrations.RunPython(keep_what_teams_see, migrations.RunPython.noop),
    ]
