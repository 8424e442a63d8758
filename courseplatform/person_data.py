"""What the platform keeps of one person, for herself: every row that names her, without keys, secrets and other people.

Found by walking the models, so that a new table cannot be forgotten: each foreign key to a person or to her place in a
course leads to rows of hers. `SECRET` and `NOT_HERS` say what is left out, and why.
"""

import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from courseplatform.data_map import PLACES
from evaluation.models import Turn
from teams.models import Membership, Role, User

OURS = ("teams", "datasets", "training", "evaluation")
SECRET = frozenset(
    {
        "password",
        "session_key",
        "sealed_secret",
        "sealed_keys",
        "digest",
        "credential_id",
        "public_data",
        "key",
        "code",
        "rows",
        "content_hash",
        "last_step",
    }
)
"""Fields that open something, or hold a whole team's rows."""
NOT_HERS = frozenset({"teams.handover", "teams.erasureproof"})
"""Tables whose rows tell more of somebody else."""
COSTS = frozenset({"teams.ledgerentry", "teams.hold", "teams.purpose"})
"""Not for who grades somewhere: what an answer cost tells which kind of bot gave it."""
BLIND = "evaluation"
"""A professor grades without knowing whose bot it is: of these tables days are told, no minutes, and nothing to join on."""


def write(person: User, out: IO[bytes]) -> None:
    """A zip of one JSON file for each kind of data, and a list of what is in it."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        listed = []
        for label, rows in collected(person):
            name = f"{label}.json"
            text = json.dumps(rows, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)
            archive.writestr(name, text)
            listed.append({"file": name, "what": PLACES[label].what, "rows": len(rows)})
        about = {"made_at": timezone.now().isoformat(), "person": person.email, "files": listed}
        archive.writestr("about.json", json.dumps(about, ensure_ascii=False, indent=1))


def collected(person: User) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """By table, those that hold anything of the person."""
    left_out = NOT_HERS
    if person.memberships.filter(role=Role.PROFESSOR).exists():
        left_out = left_out | COSTS
    for model in apps.get_models():
        label = model._meta.label_lower
        if model._meta.app_label not in OURS or label in left_out:
            continue
        rows = [_told(row) for row in _rows_of(model, person)]
        if model._meta.app_label == BLIND:
            rows.sort(
                key=lambda row: json.dumps(row, cls=DjangoJSONEncoder)
            )  # their order tells nothing
        if rows:
            yield label, rows


def _rows_of(model: type[models.Model], person: User) -> models.QuerySet[Any]:
    rows = model._default_manager
    if model is User:
        return rows.filter(pk=person.pk)
    wanted = models.Q()
    for lookup in lookups(model):
        wanted |= models.Q(**{lookup: person})
    return rows.filter(wanted).distinct().order_by("pk") if wanted else rows.none()


def lookups(model: type[models.Model]) -> list[str]:
    """Ways from a row to the person whose it is."""
    found = []
    for field in model._meta.concrete_fields:
        if field.related_model is User:
            found.append(field.name)
        elif field.related_model is Membership:
            found.append(f"{field.name}__person")
    if model is Turn:
        found.append("conversation__person")
    return found


def _told(row: models.Model) -> dict[str, Any]:
    told: dict[str, Any] = {}
    blind = row._meta.app_label == BLIND
    for field in row._meta.concrete_fields:
        if field.primary_key or field.is_relation or field.name in SECRET:
            continue
        value = getattr(row, field.attname)
        if isinstance(value, (bytes, memoryview)):
            continue
        if blind and isinstance(value, datetime):
            value = timezone.localdate(value)
        told[field.name] = value
    if isinstance(row, Membership):
        told["course"] = str(row.course)
        told["team"] = row.team.name if row.team else None
    return told
